"""Diffusion models in the form of EDM: x_sigma = x_0 + sigma e, a denoiser D(x, sigma) = E[x_0 | x_sigma].

edm        preconditioning and loss of a network
scores     denoisers in closed form: Gaussian, Gaussian mixture, the training set itself
samplers   the probability-flow ODE: grid, Heun, DPM-Solver++(2M), teleportation
"""
