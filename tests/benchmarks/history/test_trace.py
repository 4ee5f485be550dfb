import json
from pathlib import Path

from benchmarks.history.trace import Event, Recorder, read_trace
from tests.benchmarks.history.small_history import findings, small_history


def test_a_trace_that_is_read_again_is_the_one_that_was_written(tmp_path: Path) -> None:
    written = small_history()
    recorder = Recorder(tmp_path / "folder" / "trace.jsonl", written.settings)
    for each in written.operations:
        recorder.add(each)
    recorder.add_event("kill a server worker", "begins")
    recorder.finish(written.state)
    again = read_trace(recorder.path)
    assert (again.settings, again.operations, again.state) == (
        written.settings,
        written.operations,
        written.state,
    )
    assert again.events == [Event("kill a server worker", "begins", again.events[0].at)]
    assert findings(again) == []


def test_each_operation_is_a_line_as_soon_as_it_is_recorded(tmp_path: Path) -> None:
    written = small_history()
    recorder = Recorder(tmp_path / "trace.jsonl", {})
    recorder.add(written.operations[2])
    lines = [json.loads(line) for line in recorder.path.read_text().splitlines()]
    assert lines[1]["operation"]["answer"]["id"] == "p1"
    assert recorder.count("predict") == 1
    recorder.finish(written.state)
