from typing import Any

from bench.__main__ import chosen_cores, page_of
from bench.contenders import NAMES, OURS, PEERS, PROGRAMS, SCENARIOS
from bench.plan import HTTP, INPROCESS, Job, Wish, jobs
from bench.scenarios import SIZES, flash_stock, past_of


def planned(**wish: Any) -> list[Job]:
    return list(jobs(Wish(**wish)))


def test_a_full_run_measures_everything_of_everybody():
    found = {(job.contender, job.scenarios[0][0]) for job in planned(rounds=1)}
    assert found == {
        *((OURS, name) for name in SCENARIOS),
        *((peer.name, name) for peer in PEERS.values() for name in peer.scenarios),
    }


def test_another_contender_begins_each_round():
    storms = planned(scenarios=["storm"], rounds=len(NAMES))
    first = [storms[place].contender for place in range(0, len(storms), len(NAMES))]
    assert first == list(NAMES)


def test_each_full_sized_scenario_has_a_database_to_itself():
    assert all(len(job.scenarios) == 1 for job in planned(rounds=1))


def test_a_quick_run_starts_our_stack_once():
    (ours,) = [job for job in planned(quick=True) if job.contender == OURS and job.scenarios[0][0] not in PROGRAMS]
    assert ("storm", SIZES["storm"].quick) in ours.scenarios
    assert ("flash", SIZES["flash"].quick) in ours.scenarios


def test_what_takes_long_is_not_quick_unless_it_is_named():
    names = {name for job in planned(quick=True) for name, _ in job.scenarios}
    assert not names & {"soak", "idle", "streams", "growth-5000000"}
    assert [job.scenarios[0][0] for job in planned(quick=True, scenarios=["idle"])] == ["idle"]


def test_a_long_past_is_loaded_in_the_first_round_only():
    rounds = [job.round for job in planned(rounds=3) if job.scenarios[0][0] == "growth-5000000"]
    assert rounds == [1]
    assert past_of("growth-5000000") == 5_000_000
    assert past_of("storm") == 0


def test_the_second_table_is_of_the_storm_and_of_light_load():
    over_http = {job.scenarios[0][0] for job in planned(rounds=1) if job.gateway == HTTP}
    assert over_http == {"storm", "light"}
    assert {job.gateway for job in planned(scenarios=["storm"], gateway=HTTP)} == {HTTP}
    assert {job.gateway for job in planned(scenarios=["storm"])} == {INPROCESS}


def test_a_number_of_orders_is_everybody_s():
    found = {orders for job in planned(scenarios=["storm", "drain"], orders=50) for _, orders in job.scenarios}
    assert found == {50}


def test_only_a_whole_run_writes_the_page_of_the_project():
    assert page_of(Wish(rounds=3)).parts[-2:] == ("bench", "RESULTS.md")
    assert page_of(Wish(quick=True)).name == "QUICK.md"
    assert page_of(Wish(scenarios=["storm"])).name == "PART.md"


def test_cores_are_a_number_or_a_list():
    assert chosen_cores("2", {3, 1, 2}) == {1, 2}
    assert chosen_cores("0,3", {0, 1, 2, 3}) == {0, 3}


def test_the_flash_sale_has_one_in_twenty():
    assert flash_stock([("storm", 1000), ("flash", 10_000)]) == 500
