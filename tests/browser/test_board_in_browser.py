"""The board, as a person uses it: searched, filtered, clicked through, on a phone, in the dark."""

import pytest
from looking import DARK, PHONE, in_view, is_at, is_titled, violations


@pytest.fixture
def tab(visit, base):
    return visit(base + "index.html")


@pytest.fixture
def on_disk(site):
    return f"{site.as_uri()}/index.html"


def shown(tab):
    return [card.get_attribute("id") for card in tab.locator(".paper:visible").all()]


def test_totals_are_the_marks_that_one_can_count(tab):
    assert set(shown(tab)) == {"made_up", "absent", "fresh", "hostile"}
    for verdict in ("reproduced", "refuted", "inconclusive", "untested"):
        told = tab.locator(".sums .tally li", has_text=verdict).locator("b").inner_text()
        assert int(told) == tab.locator(f".marks .{verdict}:not(svg)").count()
    assert tab.locator(".sums .big").inner_text() == "6 of 15 claims reproduced"
    assert "not here yet" in tab.locator("#absent").inner_text()
    assert "no results yet" in tab.locator("#fresh").inner_text()


def test_search_finds_papers_and_claims(tab):
    tab.fill("#find", "weight decay λ")
    assert shown(tab) == []
    tab.fill("#find", "more accurate than sgd")
    assert set(shown(tab)) == {"made_up", "hostile"}
    tab.fill("#find", "c. three")
    assert shown(tab) == ["absent"]
    assert tab.locator("#where").inner_text() == "1 of 4 papers shown"
    tab.fill("#find", "nothing of the kind")
    assert shown(tab) == [] and tab.get_by_text("No paper matches.").is_visible()
    assert tab.locator(".family:visible").count() == 0


def test_filters_work_together(tab):
    tab.select_option("#family", "losses")
    assert shown(tab) == ["fresh"]
    tab.select_option("#state", "refuted")
    assert shown(tab) == []
    tab.select_option("#family", "")
    assert set(shown(tab)) == {"made_up", "hostile"}
    tab.select_option("#state", "absent")
    assert shown(tab) == ["absent"]
    tab.select_option("#state", "here")
    assert set(shown(tab)) == {"made_up", "fresh", "hostile"}


def test_a_mark_leads_to_its_claim_and_a_title_to_its_page(tab):
    mark = tab.locator("#made_up .marks a", has_text="C5")
    mark.click()
    is_at(tab, "made_up/desk/index.html#claim-C5")
    in_view(tab.locator("#claim-C5"))
    tab.go_back()
    tab.locator("#made_up h3 a").click()
    is_titled(tab, "made_up, desk scale: A made-up paper")
    tab.get_by_role("link", name="All papers").click()
    is_titled(tab, "Assay: the board of papers")
    assert tab.locator("#fresh a").count() == 0


def test_it_can_be_used_with_the_keyboard_alone(visit, on_disk):
    tab = visit(on_disk)
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    is_at(tab, "#papers")
    tab.locator("#find").focus()
    tab.keyboard.type("made-up")
    for _ in range(8):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.closest('.marks') !== null"):
            break
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/made_up/desk/index.html#claim-C1")


@pytest.mark.parametrize("options", [{}, DARK, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing_serious(visit, on_disk, options):
    assert violations(visit(on_disk, **options)) == []


def test_a_phone_shows_it_without_scrolling_sideways(visit, on_disk):
    tab = visit(on_disk, **PHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    for card in tab.locator(".paper").all():
        box = card.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_it_stands_without_scripts(visit, on_disk):
    tab = visit(on_disk, java_script_enabled=False)
    assert len(shown(tab)) == 4 and not tab.locator("#controls").is_visible()


def test_no_text_is_run(tab):
    is_titled(tab, "Assay: the board of papers")
    assert tab.locator("script").count() == 1 and tab.locator("img").count() == 0
    assert "<script>document.title='owned'</script>" in tab.locator("#fresh .marks").text_content()
