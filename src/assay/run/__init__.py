"""One run: how it is built, and (in time) how it is done, recorded and spread over devices."""
