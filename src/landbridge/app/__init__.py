"""All wiring: the parts of the journey are put together here and nowhere else. Import the module that is meant.

    city       open_city(folder, *, tell_pool=True, operator=None) -> City      settings, sources, claims, pool
               City.pull(name, *, tell=..., stop=None, again=False) -> RunRecord      one source, with retry
               City.replay(source, reason) -> str                             the rejected rows again, in a sentence
               City.declarations, .mappings, .claims, .wrong, .pool, .settings; a context manager
    claims     claims_of(settings, declarations, mappings, expand) -> Claims
    entrance   open_pool(settings) -> Pool        light: for commands that only read; OWNER, LOOP: in whose name
    serve      serve(folder, *, host=None, port=None, open_to_all=False, ready=...) -> None   until TERM or Ctrl-C
    worker     what `serve` starts beside itself: schedules, pulls and streams
    library    what `landbridge.open` gives

`city`, `worker` and `library` load the heavy engines; `entrance`, `serve` and `site` load none, so that the serving
process starts at once and stays small. `tell` is called with a `sources.gather.Progress` as a pull goes on.
"""
