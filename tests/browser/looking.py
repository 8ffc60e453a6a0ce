"""How a page is looked at: as on a phone, in the dark, and by axe-core."""

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DARK = {"color_scheme": "dark"}


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
