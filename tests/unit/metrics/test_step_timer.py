"""Steps are called in turns, block by block."""

from assay.metrics.step_timer import interleaved


def test_blocks_take_turns():
    calls = []
    times = interleaved({name: lambda name=name: calls.append(name) for name in "ab"}, 3)
    assert "".join(calls) == "aaabbb"
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}
    assert all(second >= 0 for seconds in times.values() for second in seconds)
