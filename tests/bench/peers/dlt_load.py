"""The peer: dlt loads pages of `/offers` into PostgreSQL, as its own documentation has it for a REST API.

Run with the interpreter of an environment that holds `requirements.txt` of this folder. The resource is merged by
`inner_id`; `data` is one JSON column, for as tables of its own (dlt's default) it would cost three times as much.
"""

import json
import os
import resource
import sys
import tempfile
import time

import dlt  # type: ignore[import-not-found]  # lives in an environment of its own
from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found]  # as above


def offers_of(base_url: str, api_key: str, pages: int) -> object:
    """Declare the source: the first `pages` pages of the list."""
    paginator = {
        "type": "page_number",
        "base_page": 1,
        "page_param": "page",
        "total_path": None,
        "maximum_page": pages + 1,  # the first that is not asked for
    }
    endpoint = {
        "path": "offers",
        "params": {"api_key": api_key},
        "data_selector": "result",
        "paginator": paginator,
    }
    offers = {
        "name": "offers",
        "endpoint": endpoint,
        "primary_key": "inner_id",
        "write_disposition": "merge",
        "columns": {"data": {"data_type": "json"}},
    }
    return rest_api_source({"client": {"base_url": f"{base_url}/"}, "resources": [offers]})


def main(base_url: str, api_key: str, pages: int) -> None:
    """Load and print `{"records": n, "seconds": s, "peak_mb": m}`; imports are not counted."""
    with tempfile.TemporaryDirectory(prefix="feedmill-dlt-") as folder:
        pipeline = dlt.pipeline(
            pipeline_name="bench",
            pipelines_dir=folder,
            dataset_name="peer",
            destination=dlt.destinations.postgres(credentials=os.environ["PEER_DATABASE"]),
        )
        began = time.monotonic()  # noqa: TID251 - a benchmark reads the real clock
        pipeline.run(offers_of(base_url, api_key, pages)).raise_on_failed_jobs()
        took = time.monotonic() - began  # noqa: TID251 - as above
        records = pipeline.last_trace.last_normalize_info.row_counts["offers"]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"records": records, "seconds": took, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
