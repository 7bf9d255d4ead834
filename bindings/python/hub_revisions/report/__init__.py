"""One page about a repository's revisions: which is the best, how sure that is, what it cost.

build    what the repository and the spool remember -> `ReportData` (data, series)
page     `ReportData` -> one HTML file; verdict, sections, page.css, page.js: its parts
chart    one metric over the steps as SVG, for the page and for a model card
scale    axes and numbers; markup: escaping
"""

from .build import build_report
from .chart import card_chart
from .data import ReportData
from .page import render_list, render_page

__all__ = ["ReportData", "build_report", "card_chart", "render_list", "render_page"]
