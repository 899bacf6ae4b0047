"""Late offers take their places between the events of the schedule."""

from sandbox.upstream.arrivals import Arrivals, Place


def test_every_place_holds_what_a_plain_list_holds() -> None:
    arrivals = Arrivals()
    expected = [Place(number, is_late=False) for number in range(20)]
    late = 0
    for after, count in ((0, 2), (5, 1), (5, 3), (17, 1)):
        arrivals.add(count, after=after, moment_ms=1_000 + after)
        at = after + late
        expected[at:at] = [Place(late + index, is_late=True) for index in range(count)]
        late += count
    assert [arrivals.at(place) for place in range(len(expected))] == expected
    assert arrivals.total == 7


def test_arrivals_know_their_moment() -> None:
    arrivals = Arrivals()
    arrivals.add(2, after=0, moment_ms=1_000)
    arrivals.add(3, after=4, moment_ms=2_000)
    assert [arrivals.moment_ms(late) for late in range(5)] == [1_000, 1_000, 2_000, 2_000, 2_000]
    assert [arrivals.before(moment) for moment in (999, 1_000, 1_001, 2_000, 2_001)] == [0, 0, 2, 2, 5]
