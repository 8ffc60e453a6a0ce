"""A run's live window in W&B: Lightning's logger, fed from a thread of its own.

The run only puts rows into a queue. Starting W&B, sending and finishing happen in the thread, so that a slow or dead
server can neither stall nor fail the run; at its end the run waits for the thread for a bounded time.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping
from typing import Any

from assay.records.store import Store
from assay.system.lightning import pl
from assay.tracking import sync


class LiveLogger(pl.loggers.WandbLogger):
    """Lightning's WandbLogger for one run; nothing is started before its training is.

    Args:
        store: where the run's record will lie; W&B's files go beside the records.
        signature, code, config: as in its record.
        mode: "online" or "offline".
    """

    def __init__(self, store: Store, signature: str, code: str, config: Mapping[str, Any], mode: sync.Mode) -> None:
        super().__init__(project=sync.project(), version=sync.run_id(signature, code), save_dir=str(store.folder))
        self.store, self.signature, self.code, self.config, self.mode = store, signature, code, config, mode
        self._rows: queue.SimpleQueue[tuple[Mapping[str, float], int] | None] = queue.SimpleQueue()
        self._scalars: Mapping[str, float] | None = None
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    @property
    def experiment(self) -> None:
        """The W&B run belongs to the thread; Lightning asks for it only to have it created."""
        return None

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Start. Lightning hands the module over before its first step.

        A run that goes on from a checkpoint sends its curves so far again: an offline run starts a new file each
        time, and the last one is whole; an online run ignores the steps that it has.
        """
        rows = sync.history({name: vars(curve) for name, curve in model.curves.items()})
        for step, values in rows:
            self._rows.put((values, step))
        try:
            who = sync.identity(self.store, self.signature, self.code, self.config)
        except Exception as error:  # told at the end; the run goes on
            self._error = error
            return
        self._thread = threading.Thread(target=self._feed, args=(who,), name="wandb", daemon=True)
        self._thread.start()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Queue one row of history."""
        self._rows.put((dict(metrics), step or 0))

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """The configuration is sent at the start, from the allowlist; Lightning's copy is not."""

    def close(self, scalars: Mapping[str, float] | None) -> bool:
        """Finish the W&B run, with the scalars of its record or as failed; whether there was one and all is sent.

        Raises:
            TimeoutError: it took too long; the thread is left alone.
            Exception: what W&B raised.
        """
        self._scalars = scalars
        self._rows.put(None)
        if self._thread is not None:
            self._thread.join(sync.PATIENCE)
            if self._thread.is_alive():
                raise TimeoutError(f"no end after {sync.PATIENCE:.0f} s")
        if self._error is not None:
            raise self._error
        return self._thread is not None

    def _feed(self, who: sync.Identity) -> None:
        run = None
        try:
            run = sync.open_run(who, self.store.folder, self.mode, sync.PATIENCE)
            for values, step in iter(self._rows.get, None):
                sync.log_row(run, values, step)
            sync.close_run(run, self._scalars)
        except Exception as error:
            self._error = error
        finally:
            if run is not None:
                with contextlib.suppress(Exception):
                    run.finish(exit_code=1)  # does nothing where it is finished
