"""One run: how it is built, done, recorded and spread over processes."""
