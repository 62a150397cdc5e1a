"""The overview through HTTP: what it shows, to whom, and what it says when there is nothing."""

import html
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from calls import MILLION, SONNET, UNPRICED, call, store_calls

NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SWAP = {"HX-Request": "true", "HX-Request-Type": "partial"}


def figure(answer):
    """The chart's Plotly figure."""
    return json.loads(re.search(r"data-chart='([^']*)'", answer.text)[1])


def text_of(answer):
    """What a person reads, without tags, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def tile(answer, label):
    """The value, change and former value of a tile."""
    found = re.search(rf">{re.escape(label)}</a></dt>(.*?)</div>", answer.text, re.S)[1]
    value, pill, was = (html.unescape(one) for one in re.findall(r"<dd[^>]*>\s*(?:<span[^>]*>)?([^<]+)", found)[:3])
    return value, pill, was


def test_overview_shows_cost(app, client, ada):
    store_calls(app, ada, call(NOW), call(NOW - HOUR, llm_model=SONNET, session="second", input_tokens=MILLION))
    answer = client.get("/")
    assert answer.status_code == 200
    assert tile(answer, "Cost") == ("$43.00", "new", "was $0.00")
    assert tile(answer, "Input + output tokens")[0] == "3.0M"
    assert tile(answer, "Sessions")[0] == "2"
    assert tile(answer, "Cost per session")[0] == "$21.50"
    assert "2 sessions · $43.00 · today until" in text_of(answer)


def test_change_compares_with_the_equally_long_stretch_before(app, client, ada):
    earlier = call(NOW - 31 * DAY, session="before", output_tokens=2 * MILLION, cache_read_tokens=MILLION)
    store_calls(app, ada, call(NOW - HOUR, cache_read_tokens=MILLION, input_tokens=MILLION), earlier)
    answer = client.get("/")
    assert tile(answer, "Cost") == ("$30.50", "↓ 40%", "was $50.50")
    assert tile(answer, "Cache hit") == ("50.0%", "↓ 50 pt", "was 100.0%")
    assert re.search(r'class="delta good" title="\$30\.50, .* – .*; \$50\.50, ', answer.text)


def test_chart_adds_up_to_the_tile_and_keeps_the_colours_of_families(app, client, ada):
    store_calls(app, ada, call(NOW - 3 * DAY), call(NOW), call(NOW, llm_model=SONNET))
    answer = client.get("/")
    opus, sonnet = figure(answer)["data"]
    assert (opus["name"], opus["marker"]["color"], sum(filter(None, opus["y"]))) == ("Opus", "series-1", 50)
    assert (sonnet["name"], sonnet["marker"]["color"], sonnet["y"][-1]) == ("Sonnet", "series-2", 15)
    assert figure(answer)["layout"]["meta"]["running"] == 29
    assert tile(answer, "Cost")[0] == "$65.00"


def test_figures_are_what_plotly_understands(app, client, ada):
    graph_objects = pytest.importorskip("plotly.graph_objects")

    def painted(value):
        if isinstance(value, dict):
            return {key: "red" if key == "color" else painted(one) for key, one in value.items()}
        return [painted(one) for one in value] if isinstance(value, list) else value

    store_calls(app, ada, call(NOW), call(NOW - DAY, llm_model=SONNET))
    for query in ("metric=cost&compare=1", "metric=cache_hit&compare=1", "metric=sessions&period=24h"):
        graph_objects.Figure(painted(figure(client.get(f"/?{query}"))))


def test_days_are_those_of_the_viewers_zone(app, client, ada):
    store_calls(app, ada, call(datetime(2026, 10, 24, 22, 30, tzinfo=UTC)))  # in Berlin 00:30 of the 25-hour Sunday
    answer = client.get("/?from=2026-10-25&to=2026-10-25")
    names = figure(answer)["layout"]["meta"]["names"]
    assert len(names) == 25
    assert "Sun 25 Oct, 02:00 (again)" in names
    assert "Highest: Sun 25 Oct, 00:00, $25.00." in text_of(answer)
    assert "Busiest: Sunday, 00:00–01:00, $25.00" in text_of(answer)
    assert "Times in Europe/Berlin" in text_of(answer)


@pytest.mark.parametrize("metric", ["cost", "io_tokens", "sessions", "cache_hit", "cost_per_session"])
def test_every_tile_can_be_the_chart(app, client, ada, metric):
    store_calls(app, ada, call(NOW, cache_read_tokens=MILLION), call(NOW - 2 * DAY))
    answer = client.get(f"/?metric={metric}")
    assert len(re.findall(r'class="tile chosen"', answer.text)) == 1
    assert figure(answer)["data"]


def test_compare_draws_what_the_tile_says_was(app, client, ada):
    store_calls(app, ada, call(NOW), call(NOW - 31 * DAY, output_tokens=2 * MILLION))
    answer = client.get("/?compare=1")
    line = figure(answer)["data"][-1]
    assert (line["line"]["dash"], sum(line["y"])) == ("dot", 50)
    assert tile(answer, "Cost")[2] == "was $50.00"
    assert re.search(r'class="key dotted".*?</span>[^<]+ <b>\$50\.00</b>', answer.text)


def test_cards_show_models_projects_machines_and_tools(app, client, ada):
    store_calls(
        app, ada, call(NOW, tools=("Bash", "Bash", "Read")), call(NOW, machine="ada-studio", project="/x/atlas")
    )
    said = text_of(client.get("/"))
    assert "Models Model Cost Share claude-opus-4-6 $50.00 100.0%" in said
    assert "ada-mbp $25.00 50.0% ada-studio $25.00 50.0%" in said
    assert "atlas $25.00 50.0%" in said
    assert "Tools Tool Calls Share Bash 2 66.7% Read 1 33.3%" in said


@pytest.mark.parametrize("narrowing", ["machine=ada-mbp", "project=/home/ada/shop", "model=claude-opus-4-6"])
def test_filters_narrow_and_can_be_taken_away(app, client, ada, narrowing):
    other = call(NOW, llm_model=SONNET, machine="other", project="/home/ada/other", session="other")
    store_calls(app, ada, call(NOW), other)
    answer = client.get(f"/?{narrowing}&period=7d")
    assert tile(answer, "Cost")[0] == "$25.00"
    assert re.search(r'class="chip".*?href="/\?period=7d"', answer.text, re.S)


def test_an_admin_sees_everybody_and_picks_a_person(app, client, ada, ben):
    store_calls(app, ada, call(NOW))
    store_calls(app, ben, call(NOW, llm_model=SONNET))
    assert tile(client.get("/"), "Cost")[0] == "$40.00"
    assert tile(client.get(f"/?person={ben.id}"), "Cost")[0] == "$15.00"
    by_person = figure(client.get("/?by=person"))
    assert [one["name"] for one in by_person["data"]] == ["Ada Lovelace", "Ben"]


def test_a_member_sees_only_their_own(app, bens_client, ada, ben):
    store_calls(app, ada, call(NOW, project="/home/ada/secret", machine="ada-mbp"))
    store_calls(app, ben, call(NOW, llm_model=SONNET, project="/home/ben/shop", machine="ben-pc"))
    answer = bens_client.get("/")
    assert tile(answer, "Cost")[0] == "$15.00"
    assert "secret" not in answer.text
    assert "ada-mbp" not in answer.text
    assert "Ada" not in answer.text


def test_somebody_elses_person_is_as_absent_as_nobody(app, bens_client, ada, ben):
    foreign, absent = bens_client.get(f"/?person={ada.id}"), bens_client.get("/?person=999999")
    assert (foreign.status_code, absent.status_code) == (404, 404)
    without_id = [re.sub(r"request \w+", "", text_of(answer)) for answer in (foreign, absent)]
    assert without_id[0] == without_id[1]


def test_somebody_elses_machine_is_as_unknown_as_any(app, bens_client, ada, ben):
    store_calls(app, ada, call(NOW, machine="ada-mbp"))
    for machine in ("ada-mbp", "nothing"):
        answer = bens_client.get(f"/?machine={machine}")
        assert answer.status_code == 400
        assert "There is no such machine." in answer.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("period=fortnight", "period is one of"),
        ("period=7d&from=2026-01-01", "not both"),
        ("from=2026-02-30", "from is not a day"),
        ("from=2026-03-02&to=2026-03-01", "to is before from"),
        ("metric=beauty", "metric is one of"),
        ("by=colour", "by is one of"),
        ("compare=maybe", "compare is one of"),
        ("person=ada", "There is no such person"),
        ("model=gpt-9", "There is no such model"),
        ("project=/etc", "There is no such project"),
        ("period=7d&period=30d", "period is given more than once"),
    ],
)
def test_unknown_values_are_refused_by_name(app, client, ada, query, said):
    store_calls(app, ada, call(NOW))
    answer = client.get(f"/?{query}")
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert re.search(r'href="/">Reset filters</a>', answer.text)


def test_strangers_are_sent_to_the_login_page(anonymous, ada):
    answer = anonymous.get("/?period=7d")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=%2F%3Fperiod%3D7d")
    swap = anonymous.get("/?period=7d", headers=SWAP)
    assert (swap.status_code, swap.headers["HX-Redirect"]) == (401, "/login")
    assert anonymous.get("/overview/version").status_code in (303, 401)


def test_a_swap_is_the_body_of_the_same_page(app, client, ada):
    store_calls(app, ada, call(NOW))
    page, swap = client.get("/?period=7d"), client.get("/?period=7d", headers=SWAP)
    assert swap.text.count("<html") == 0
    body = swap.text.partition("<hx-partial")[0].strip()
    # Both are written a moment apart: ages and the last digits of the clock may differ, nothing else.
    assert re.sub(r"\d\d:\d\d", "", body) in re.sub(r"\d\d:\d\d", "", page.text)
    assert {"HX-Request", "HX-Request-Type"} <= set(page.vary) & set(swap.vary)


def test_going_back_asks_for_the_whole_page(app, client, ada):
    store_calls(app, ada, call(NOW))
    answer = client.get("/", headers={"HX-Request": "true", "HX-Request-Type": "full"})
    assert answer.text.lstrip().startswith("<!doctype html>")


def test_links_keep_the_other_filters(app, client, ada):
    store_calls(app, ada, call(NOW), call(NOW, machine="other"))
    answer = client.get("/?machine=ada-mbp&metric=sessions&period=7d")
    hrefs = {html.unescape(href) for href in re.findall(r'href="(/\?[^"]*)"', answer.text)}
    assert "/?machine=ada-mbp&metric=sessions&period=90d" in hrefs
    assert "/?machine=ada-mbp&metric=cost&period=7d" in hrefs
    assert "/?machine=ada-mbp&metric=sessions&period=7d&compare=1" in hrefs


def test_the_first_run_says_what_to_do(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert "Nothing here yet" in answer.text
    assert "agentmeter sync" in answer.text
    assert "Waiting for the first call" in answer.text


def test_a_period_without_usage_says_when_the_last_was(app, client, ada):
    store_calls(app, ada, call(datetime(2026, 7, 31, 16, 22, tzinfo=UTC)))
    answer = client.get("/?from=2026-08-01&to=2026-08-07")
    said = text_of(answer)
    assert "No usage from 1 to 7 Aug 2026" in said
    assert "The last call before was on 31 Jul 2026, 18:22." in said
    way_on = html.unescape(re.search(r'class="button" href="(/\?[^"]+)">Show', answer.text)[1])
    assert tile(client.get(way_on), "Cost")[0] == "$25.00"


def test_filters_that_match_nothing_together_say_what_each_has(app, client, ada):
    store_calls(app, ada, call(NOW, machine="one"), call(NOW, machine="two", llm_model=SONNET, session="second"))
    said = text_of(client.get("/?machine=one&model=claude-sonnet-4-6"))
    assert "Nothing matches both filters" in said
    assert "There is 1 session on one and 1 session with claude-sonnet-4-6, but none of both." in said


def test_models_without_a_price_are_named(app, client, ada):
    store_calls(app, ada, call(NOW), call(NOW, llm_model=UNPRICED, output_tokens=230_300))
    said = text_of(client.get("/"))
    assert (
        f"1 model has no price. {UNPRICED} : 1 call, 230.3k input + output tokens are missing from every cost" in said
    )
    assert f"{UNPRICED} no price" in said


def test_the_page_hears_of_new_calls(app, client, ada):
    store_calls(app, ada, call(NOW - HOUR))
    poll = html.unescape(re.search(r'hx-get="(/overview/version[^"]+)"', client.get("/").text)[1])
    assert client.get(poll, headers=SWAP).status_code == 204
    store_calls(app, ada, call(NOW))
    heard = client.get(poll, headers=SWAP)
    assert (heard.status_code, heard.headers["HX-Trigger"], heard.text) == (200, "calls", "")


def test_names_from_outside_stay_text(app, client, ada):
    evil = "/x/<img src=x>'\"&"
    store_calls(app, ada, call(NOW, project=evil, machine="<script>alert(1)</script>", llm_model="<b>model</b>"))
    answer = client.get("/?by=project&metric=io_tokens")
    for tag in ("<img", "<script>alert", "<b>model"):
        assert tag not in answer.text
    name = figure(answer)["data"][0]["name"]
    assert "<" not in name
    assert "&lt;" in name


def test_the_number_of_queries_does_not_grow_with_rows(app, client, ada):
    def count_queries():
        statements = []
        listen = lambda *args: statements.append(args[2])  # noqa: E731
        event.listen(app.extensions["engine"], "before_cursor_execute", listen)
        assert client.get("/?compare=1&metric=sessions").status_code == 200
        event.remove(app.extensions["engine"], "before_cursor_execute", listen)
        return len(statements)

    store_calls(app, ada, call(NOW))
    few = count_queries()
    many = [
        call(NOW - n * HOUR, machine=f"m{n % 7}", project=f"/p/{n % 11}", session=f"s{n % 13}", tools=(f"T{n}",))
        for n in range(200)
    ]
    store_calls(app, ada, *many)
    assert count_queries() == few


def test_a_long_busy_page_stays_under_60_kb(app, client, ada, ben):
    calls = [call(NOW - n * DAY, project=f"/work/{n % 9}", machine=f"machine-{n % 6}") for n in range(180)]
    store_calls(app, ada, *calls)
    store_calls(app, ben, *calls)
    assert len(client.get("/?period=90d&by=project&compare=1").data) < 60_000


def test_a_held_page_shows_the_next_call_at_once(app, client, ada):
    store_calls(app, ada, call(NOW - HOUR, session="first"))
    assert tile(client.get("/"), "Sessions")[0] == tile(client.get("/"), "Sessions")[0] == "1"
    store_calls(app, ada, call(NOW, session="second"))
    assert tile(client.get("/"), "Sessions")[0] == "2"


def test_a_held_page_is_shown_to_nobody_else(app, client, bens_client, ada, ben):
    store_calls(app, ada, call(NOW))
    assert "$" in tile(client.get("/"), "Cost")[0]
    assert "Nothing here yet" in bens_client.get("/").text


def test_a_held_page_asks_the_database_for_little_more_than_the_session(app, client, ada):
    store_calls(app, ada, call(NOW))
    client.get("/")
    asked = []
    event.listen(app.extensions["engine"], "before_cursor_execute", lambda *facts: asked.append(facts[2]))
    assert client.get("/").status_code == 200
    assert len(asked) <= 4
