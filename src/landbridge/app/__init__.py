"""All wiring: the parts of the journey are put together here and nowhere else. Import the module that is meant.

    landbridge.app.city     open_city(folder, *, declare=True) -> City    settings, declarations, claims and pool of a folder
                            City.pull(name, *, progress=None) -> RunRecord    one source, with retry
                            City.replay(source, reason) -> str                the rejected rows again
                            City.close(), and it is a context manager
    landbridge.app.serve    serve(folder, *, host=None, port=None, open_to_all=False) -> None    until TERM or Ctrl-C
    landbridge.app.worker   what `serve` starts beside itself: schedules, pulls and streams

`city` and `worker` load the heavy engines; `serve` and `site` load none, so that the serving process starts at once
and stays small.
"""
