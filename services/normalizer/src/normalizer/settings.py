"""Settings of the normalizer: the section `normalizer` of `config.yaml`."""

from math import ceil
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from common.settings import Port, Section, Settings


class NormalizerSection(Section):
    """How batches are filled and what is done when they fail."""

    batch_records: Annotated[int, Field(ge=1, le=5000)] = 200
    """Records in one transaction."""
    linger_s: Annotated[float, Field(gt=0, le=60)] = 0.5
    """Seconds after which a batch that is not full is landed."""
    transactions_in_flight: Annotated[int, Field(ge=1, le=8)] = 3
    """Batches that are landed at once: while one waits for its commit, another is written and a third normalised."""
    prefetch_messages: Annotated[int, Field(ge=1, le=1000)] = 60
    """Messages held unacknowledged; must hold the batches in flight and one that fills, at 20 records a message."""
    give_back_after_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds without a database, counted from the first failure, after which deliveries go back to the queue. Of a
    database that hangs the first failure is seen after `database.statement_timeout_s`."""
    stop_within_s: Annotated[float, Field(gt=0, le=30)] = 8.0
    """Seconds that the batches in hand get at shutdown."""
    stalled_after_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Seconds without a delivery, though the queue holds messages, after which the process ends with code 1."""
    metrics_host: str = "127.0.0.1"
    """Address on which `/metrics` is served."""
    metrics_port: Port | None = None
    """Its port; None: it is not served. Each process of a machine needs one of its own."""

    @model_validator(mode="after")
    def prefetch_fills_batches(self) -> "NormalizerSection":
        """Refuse a prefetch with which batches would always wait out their linger."""
        needed = ceil(self.batch_records / 20) * (self.transactions_in_flight + 1)
        if self.prefetch_messages < needed:
            raise ValueError(f"prefetch_messages must be at least {needed} for these batches")
        return self


class NormalizerSettings(Settings):
    """Everything that the normalizer reads."""

    service: ClassVar[str | None] = "normalizer"

    normalizer: NormalizerSection = NormalizerSection()
