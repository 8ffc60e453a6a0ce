"""W&B, the window on what runs leave: streaming live, sending afterwards, and views. Nothing below waits for it."""
