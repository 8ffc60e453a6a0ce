"""A paper's page, as a person uses it: opened, searched, sorted, clicked through, on a phone, in the dark, on paper."""

import re

import pytest
from looking import DARK, PHONE, is_at, is_titled, violations
from made_up import EVIL, FIGURES, claims_and_checks, make_details, make_results, rules

from assay.report import page as pages
from assay.review.judged import judge

WHERE = "made_up/desk/index.html"


@pytest.fixture
def tab(visit, base):
    return visit(base + WHERE)


@pytest.fixture
def on_disk(site):
    return f"{site.as_uri()}/{WHERE}"


def rows(tab):
    return tab.locator("#runs-table tbody tr")


def cells(tab, column):
    """The texts of a column, by its name."""
    names = tab.locator("#runs-table thead th").all_inner_texts()
    number = [name.strip(" ▴▾\n") for name in names].index(column) + 1
    return tab.locator(f"#runs-table tbody td:nth-child({number})").all_inner_texts()


def numbers(texts):
    """What the table shows as numbers, read back."""
    return [float(text.split()[0].replace("−", "-").replace(",", "")) for text in texts]


def open_first(tab):
    tab.locator("#runs-table .expand").first.click()
    return tab.locator("#runs-table tr.open")


def test_it_opens_and_shows_the_verdicts(tab):
    is_titled(tab, "made_up, desk scale: A made-up paper")
    assert tab.locator(".verdict-line").inner_text() == "3 of 7 claims reproduced at desk scale"
    assert tab.locator(".tiles a").count() == 7
    assert tab.locator("figure svg.figure").count() == 2
    assert rows(tab).count() == 50
    assert tab.locator("#where").inner_text() == "1–50 of 113"


def test_every_rule_of_judgement_fits_a_phone_and_axe(visit, tmp_path):
    """Margins, gates, looks, errors, warnings, machines: what few papers have all stands on one page."""
    results = make_results(seeds=range(1, 11))
    verdicts = judge(results, *rules(), stands_for="20 epochs of Fashion-MNIST for ImageNet")
    path = tmp_path / "rules.html"
    path.write_text(
        pages.html(results, verdicts, [], details=make_details(results), outdated=["box/lion"] * 12), encoding="utf-8"
    )
    tab = visit(path.as_uri(), **PHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.locator(".warnings li").count() == 3
    assert violations(tab) == []
    limit, edge = (tab.locator(f"[id='check-margin'] .{kind}").first.bounding_box()["x"] for kind in ("limit", "edge"))
    assert limit < edge
    tab.locator("[id='check-held back']").get_by_role("link", name="check learns").click()
    is_at(tab, "#check-learns")


def test_search_filters_and_says_how_many_are_left(tab):
    tab.fill("#find", "lion optimizer.weight_decay=10")
    assert rows(tab).count() == 8
    assert set(cells(tab, "arm")) == {"lion"}
    assert tab.locator("#where").inner_text() == "1–8 of 8 (113 in all)"
    tab.fill("#find", "no such run")
    assert rows(tab).all_inner_texts() == ["No run matches."]
    tab.fill("#find", "")
    assert rows(tab).count() == 50


def test_an_experiment_has_its_own_columns_and_arms(tab):
    tab.select_option("#experiment", "qp")
    assert "qp/slope" in tab.locator("#runs-table thead").inner_text()
    assert tab.locator("#arm option").all_inner_texts() == ["all arms", "lion", "sgd"]
    tab.select_option("#arm", "sgd")
    assert set(cells(tab, "arm")) == {"sgd"}
    assert len(cells(tab, "arm")) == 8
    tab.select_option("#experiment", "box")
    assert "box/reached" in tab.locator("#runs-table thead").inner_text()


def test_a_column_sorts_up_and_down_and_back(tab):
    tab.select_option("#experiment", "box")
    first = cells(tab, "run")
    header = tab.locator("#runs-table thead button", has_text="test/accuracy")
    for order, reverse in (("ascending", False), ("descending", True)):
        header.click()
        shown = numbers(cells(tab, "test/accuracy"))
        assert shown == sorted(shown, reverse=reverse) and len(set(shown)) > 10
        assert tab.locator(f"th[aria-sort={order}]").inner_text().startswith("test/accuracy")
        assert header.evaluate("node => node === document.activeElement")
    header.click()
    assert cells(tab, "run") == first


def test_the_table_turns_its_pages(tab):
    first = cells(tab, "run")
    tab.click("#next")
    assert tab.locator("#where").inner_text() == "51–100 of 113"
    assert not set(first) & set(cells(tab, "run"))
    tab.click("#next")
    assert rows(tab).count() == 13 and tab.locator("#next").is_disabled()
    tab.click("#before")
    tab.click("#before")
    assert cells(tab, "run") == first


def test_a_run_shows_its_command_configuration_and_curves(tab):
    tab.fill("#find", "box lion seed=3")
    opened = open_first(tab)
    signature = tab.locator("#runs-table .expand").first.get_attribute("title")
    assert opened.locator(".command code").inner_text() == f"assay run {signature}"
    assert opened.locator("svg.curve").count() == 2
    assert "optimizer.kappa" in opened.inner_text()
    opened.get_by_text("Full configuration").click()
    assert "data: fashion_mnist" in opened.locator("pre").inner_text()
    assert "seed: 3" in opened.locator("pre").inner_text()
    tab.locator("#runs-table .expand").first.click()
    assert opened.count() == 0


def test_the_runs_behind_a_check_are_shown(tab):
    check = tab.locator("#check-3")
    check.locator(".behind > summary").click()
    check.get_by_role("button", name="Show in the table of runs").click()
    assert tab.locator("#where").inner_text() == "1–20 of 20 (113 in all)"
    assert set(cells(tab, "experiment")) == {"box"} and set(cells(tab, "arm")) == {"lion"}
    tab.get_by_role("button", name="Only check 3").click()
    assert tab.locator("#where").inner_text() == "1–50 of 113"


def test_links_lead_to_runs_claims_and_the_board(tab):
    check = tab.locator("#check-9")
    check.locator(".behind > summary").click()
    link = check.locator(".signatures a").first
    signature = link.inner_text()
    link.click()
    is_at(tab, f"#run-{signature}")
    assert signature in tab.locator("#runs-table tr.open .command").inner_text()
    tab.locator(".tiles a").nth(4).click()
    is_at(tab, "#claim-C5")
    tab.get_by_role("link", name="All papers").click()
    is_titled(tab, "Assay: the board of papers")


def test_a_link_to_a_run_opens_it(visit, base):
    signature = make_results().runs.filter(experiment="qp")["signature"][5]
    tab = visit(f"{base}{WHERE}#run-{signature}")
    line = tab.locator("#runs-table tr.open")
    assert signature in line.inner_text()
    assert tab.locator("#runs-table .expand[aria-expanded=true]").evaluate("n => n === document.activeElement")


def test_it_can_be_used_with_the_keyboard_alone(visit, on_disk):
    tab = visit(on_disk)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the claims"
    tab.keyboard.press("Enter")
    is_at(tab, "#claims")
    tab.locator("#find").focus()
    tab.keyboard.type("qp sgd")
    for _ in range(40):
        tab.keyboard.press("Tab")
        if "expand" in tab.evaluate("document.activeElement.className"):
            break
    tab.keyboard.press("Enter")
    assert tab.locator("#runs-table tr.open").count() == 1
    assert tab.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    tab.keyboard.press("Space")
    assert tab.locator("#runs-table tr.open").count() == 0


def brightness(tab, selector, style="background-color"):
    """Mean of the red, green and blue of a colour, 0 to 255."""
    text = tab.locator(selector).first.evaluate("(node, name) => getComputedStyle(node).getPropertyValue(name)", style)
    return sum(map(float, re.findall(r"[\d.]+", text)[:3])) / 3


def test_it_follows_the_readers_theme(visit, on_disk):
    light, dark = visit(on_disk), visit(on_disk, **DARK)
    for tab, is_dark in ((light, False), (dark, True)):
        assert (brightness(tab, "body") < 60) is is_dark
        assert (brightness(tab, "body", "color") > 180) is is_dark
        assert (brightness(tab, "figure svg.figure text, figure svg.figure [style*=fig-ink]", "fill") > 180) is is_dark


def test_paper_is_white_whatever_the_theme(visit, on_disk):
    tab = visit(on_disk, **DARK)
    tab.emulate_media(media="print")
    assert brightness(tab, "body") > 250 and brightness(tab, "body", "color") < 90
    for hidden in ("nav.sections", "#controls", "#pager"):
        assert not tab.locator(hidden).is_visible()
    assert tab.locator("#claim-C1").is_visible()
    assert tab.pdf(format="A4").startswith(b"%PDF")


def test_a_phone_shows_it_without_scrolling_sideways(visit, on_disk):
    tab = visit(on_disk, **PHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.locator("#find").fill("lion")
    open_first(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    box = tab.locator("#runs-table tr.open .run").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert tab.locator(".tiles .tile-id").first.is_visible() and not tab.locator(".tile-text").first.is_visible()


@pytest.mark.parametrize("options", [{}, DARK, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing_serious(visit, on_disk, options):
    tab = visit(on_disk, **options)
    for summary in tab.locator("main details > summary").all():
        summary.evaluate("node => { node.parentElement.open = true; }")
    tab.select_option("#experiment", "box")
    open_first(tab)
    assert violations(tab) == []


def test_it_stands_without_scripts(visit, on_disk):
    tab = visit(on_disk, java_script_enabled=False)
    assert rows(tab).count() == 50
    assert tab.locator("noscript p").inner_text().startswith("The first 50 of 113 runs")
    assert not tab.locator("#controls").is_visible()


def test_no_text_is_run(visit, base):
    """Configurations, tracebacks, cards, citations, arms, axes: every text of this page tries."""
    tab = visit(base + "hostile/desk/index.html")
    assert "owned" not in re.sub(r"<script>.*</script>", "", tab.title())
    tab.fill("#find", "<script>")
    assert rows(tab).count() == 50
    tab.select_option("#experiment", "box")
    for number in range(4):
        tab.locator("#runs-table thead button").nth(number).click()
    opened = open_first(tab)
    opened.get_by_text("Full configuration").click()
    assert "<script>" in tab.locator("#runs-table").inner_text()
    for place in ("#failures", "#provenance", "#selection"):
        text = tab.locator(f"section[aria-labelledby={place[1:]}]").inner_text()
        assert "<script>document.title='owned'</script>" in text
    assert tab.locator("script").count() == 2
    assert tab.locator("img").count() == 0
    assert tab.evaluate("document.title") == tab.title()


def test_the_policy_stops_what_the_template_would_let_through(site, browser, tmp_path):
    """Were a text not escaped, the page's own policy would still refuse to run it and to fetch for it."""
    content = (site / WHERE).read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(
        content.replace("A made-up paper</h1>", f"{EVIL}<img src='https://example.invalid/x.png'></h1>"),
        encoding="utf-8",
    )
    context = browser.new_context()
    stopped, tab = {}, context.new_page()
    tab.on("requestfailed", lambda request: stopped.setdefault(request.url, request.failure))
    tab.on("requestfinished", lambda request: stopped.setdefault(request.url, "sent"))
    tab.goto(broken.as_uri())
    tab.wait_for_load_state("networkidle")
    assert "owned" not in tab.title() and tab.locator("h1 img").count() == 2
    assert stopped.pop(broken.as_uri()) == "sent"
    assert len(stopped) == 2 and set(stopped.values()) == {"csp"}
    context.close()


def test_few_rows_are_made_however_many_runs_there_are(visit, tmp_path):
    """What keeps a page of many runs quick to open: a screenful of rows is in the document, the rest are data."""
    results = make_results(seeds=range(1, 42))
    text = pages.html(results, judge(results, *claims_and_checks()), FIGURES, details=make_details(results))
    path = tmp_path / "many.html"
    path.write_text(text, encoding="utf-8")
    tab = visit(path.as_uri())
    assert tab.locator("#where").inner_text() == "1–50 of 575"
    assert rows(tab).count() == 50
    assert tab.locator("#runs-table *").count() < 3000
