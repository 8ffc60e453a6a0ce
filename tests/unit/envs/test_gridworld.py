import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from assay.envs import GridWorld

UP, RIGHT, DOWN, LEFT = range(4)


def world(**changes):
    given = {"obstacles": [(1, 1)], "start": (2, 0), "noise": 0.1, **changes}
    return GridWorld((3, 4), {(0, -1): 1.0, (1, -1): -1.0}, **given)


@given(noise=st.floats(0.0, 0.5), rows=st.integers(2, 5), columns=st.integers(2, 5))
def test_rows_of_the_law_sum_to_one_except_at_the_end(noise, rows, columns):
    env = GridWorld((rows, columns), {(0, -1): 1.0}, start=(-1, 0), noise=noise)
    total = env.transitions.sum(axis=2)
    np.testing.assert_allclose(total[~env.terminal], 1.0, atol=1e-12)
    assert (total[env.terminal] == 0.0).all()


def test_walls_and_obstacles_hold_and_noise_slips_sideways():
    env = world()
    start, above = env.state((2, 0)), env.state((1, 0))
    np.testing.assert_allclose(env.transitions[start, UP, above], 0.8)
    np.testing.assert_allclose(env.transitions[start, UP, start], 0.1)  # slipping left meets the wall
    np.testing.assert_allclose(env.transitions[start, UP, env.state((2, 1))], 0.1)
    np.testing.assert_allclose(env.transitions[above, RIGHT, above], 0.8)  # the obstacle
    assert env.transitions[:, :, env.obstacle][~env.obstacle].sum() == 0.0


def test_an_episode_ends_where_it_should_and_pays_on_entering():
    env = world(noise=0.0)
    state, _ = env.reset(seed=0)
    rewards = []
    for action in (UP, UP, RIGHT, RIGHT, RIGHT):
        state, reward, terminated, truncated, _ = env.step(action)
        rewards.append(reward)
    assert (state, terminated, truncated) == (env.state((0, 3)), True, False)
    assert rewards == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_an_episode_is_truncated_at_its_limit():
    env = world(max_steps=2)
    env.reset(seed=0)
    assert env.step(LEFT)[3] is False
    assert env.step(LEFT)[3] is True


def test_steps_follow_the_law():
    env = world()
    counts = np.zeros(12)
    env.reset(seed=1)
    for _ in range(4000):
        env._at = env.state((2, 1))
        counts[env.step(RIGHT)[0]] += 1
    np.testing.assert_allclose(counts / 4000, env.transitions[env.state((2, 1)), RIGHT], atol=0.03)


def test_the_same_seed_gives_the_same_walk():
    def walk(seed):
        env = world(noise=0.3)
        env.reset(seed=seed)
        return [env.step(RIGHT)[0] for _ in range(20) if not env.terminal[env._at]]

    assert walk(3) == walk(3)
    assert walk(3) != walk(4)


def test_bad_worlds_are_refused():
    with pytest.raises(ValueError, match="noise"):
        world(noise=0.6)
    with pytest.raises(ValueError, match="start"):
        world(start=(1, 1))


@pytest.mark.filterwarnings("ignore")
def test_it_is_a_gymnasium_environment():
    check_env(world(), skip_render_check=True)
