"""A few of the faults that `fault_injection.py` throws at a farm's job."""

from __future__ import annotations

import fault_injection
import pytest
from fault_injection import campaign
from places import DATA, DEMO


def test_faults_leave_no_wrong_frame_and_lose_nothing() -> None:
    if not (DATA.is_dir() or (DEMO / "take_to_dub.mp4").is_file()):
        pytest.skip("needs packaging/demo/take_to_dub.mp4 or ../shared/data")
    faults = (
        fault_injection.kill_minus_nine,
        fault_injection.full_disk,
        fault_injection.changed_window,
        fault_injection.truncated_plan,
    )
    with campaign(seed=1) as running:
        assert running.dub_whole() == running.reference
        for number, fault in enumerate(faults):
            running.run(number, fault)
        assert running.problems == []
        assert sum(tally.rounds for tally in running.tallies.values()) == len(faults)
