import jinja2
import pytest

from artculture.utils.html_page import render_page


@pytest.mark.parametrize(
    ("pages", "hashes", "frames"), [([], 0, "none"), (["<p>", "<script>a</script>"] * 2, 1, "self")]
)
def test_only_scripts_of_embedded_pages_may_run(pages, hashes, frames):
    files = jinja2.DictLoader({"page.html": "{{ policy }}", "page.css": "a { color: red }"})
    text = render_page(jinja2.Environment(loader=files), "page.html", style="page.css", embedded=pages)
    assert text.count(f"frame-src '{frames}'") == 1
    assert (text.count("'sha256-"), text.count("script-src 'none'")) == (hashes + 1, not hashes)
