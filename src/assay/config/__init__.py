"""From choices of parts and values to one run's configuration."""
