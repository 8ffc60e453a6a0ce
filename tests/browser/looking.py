"""How a page is looked at: as on a phone, in the dark, by axe-core; and where a click has led, once it has led there.

A click comes back before the next page is there: its title and address are waited for, not read at once.
"""

from __future__ import annotations

import re

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DARK = {"color_scheme": "dark"}

PATIENCE = 120_000  # ms; a busy machine is no failure


def is_titled(tab, title):
    from playwright.sync_api import expect

    expect(tab).to_have_title(title, timeout=PATIENCE)


def is_at(tab, ending):
    from playwright.sync_api import expect

    expect(tab).to_have_url(re.compile(re.escape(ending) + "$"), timeout=PATIENCE)


def in_view(locator):
    from playwright.sync_api import expect

    expect(locator).to_be_in_viewport(timeout=PATIENCE)


def violations(tab):
    """What axe-core holds to be serious or critical about a page as it is now, in words."""
    from axe_playwright_python.sync_playwright import Axe

    response = Axe().run(tab).response
    assert len(response["passes"]) > 20, "axe-core did not look at the page"
    return [
        f"{found['id']} ({found['impact']}): {node['html'][:200]}"
        for found in response["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
