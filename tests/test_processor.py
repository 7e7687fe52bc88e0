"""Stamped lines are read back as they were written."""

import io
import logging

from ucmkd.processor import STAMP, Stamp, stamped


def test_every_message_starts_with_a_stamp_that_can_be_read_back() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Stamp())
    log = logging.Logger("stamped")
    log.addHandler(handler)
    log.info("seed %d", 3)
    log.info("of two lines:\n12 s are none")
    print(stamped("done"), file=stream)
    stamps = [float(seconds) for seconds in STAMP.findall(stream.getvalue())]
    assert len(stamps) == 3
    assert 0 < stamps[0] <= stamps[1]
    assert " s seed 3\n" in stream.getvalue()
