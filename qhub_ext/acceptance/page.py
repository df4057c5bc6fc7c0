"""The report as one HTML file that needs no network: to be read on a light or dark screen, printed, and signed. Pure."""

from __future__ import annotations

import html

from qhub_ext.acceptance.report import FAILED, NOT_ALLOWED, PASSED, SIGNS, UNFINISHED, Report, Result, moment
from qhub_ext.display.words import duration

_CLASSES = {PASSED: "passed", FAILED: "failed", NOT_ALLOWED: "absent", UNFINISHED: "absent"}
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: light-dark(#1a6b3c, #6fce97); --bad: light-dark(#b3261e, #ff9d94);
  --quiet: light-dark(#5a5a5a, #a8a8a8); }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1.5rem; background: Canvas; color: CanvasText; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.verdict { font-weight: 600; margin: .25rem 0 1.25rem; } .passed { color: var(--good); } .failed { color: var(--bad); } .absent { color: var(--quiet); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 0; } dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; } .wide table { min-width: 56rem; }
.wide th:nth-child(-n+2) { width: 17%; } .wide td:nth-child(2) { width: 19%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { border-top: 0; color: var(--quiet); font-weight: 500; } tbody th { font-weight: 500; }
td.number, td.sign, td.job, thead th { white-space: nowrap; } .advice { color: var(--quiet); display: block; } code { font-size: .9em; overflow-wrap: anywhere; }
.sign-here { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 2rem; margin-top: 3.5rem; }
.sign-here div { border-top: 1px solid currentColor; padding-top: .3rem; color: var(--quiet); }
@media print { body { margin: 0; max-width: none; } tr, .sign-here { break-inside: avoid; } }
"""


def report_page(report: Report) -> str:
    facts = {
        "Site": report.site,
        "Checked from": report.host,
        "Who ran it": report.who,
        "Began": report.began_at and moment(report.began_at),
        "Took": duration(report.ended_at - report.began_at),
        "Versions": ", ".join(f"{name} {version}" for name, version in report.versions.items()),
    }
    listed = "".join(f"<dt>{_safe(name)}</dt><dd>{_safe(str(value))}</dd>" for name, value in facts.items())
    rows = "".join(_row(result) for result in report.results)
    findings = "".join(
        f"<tr><td class=sign>{_safe(f['level'])}</td><td>{_safe(f['what'])}{_advice(f['advice'])}</td></tr>"
        for f in report.findings
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Site check of {_safe(report.site)}, {moment(report.began_at)}</title>
<style>{_STYLE}</style></head>
<body><main>
<h1>Site check</h1>
<p class="verdict {"passed" if report.passed else "failed"}">{_safe(report.sentence)}</p>
<dl>{listed}</dl>
<h2>Checks</h2>
<div class="wide" tabindex="0" role="region" aria-label="Checks"><table>
<thead><tr><th scope="col">check</th><th scope="col">expected</th><th scope="col">came</th><th scope="col">took</th><th scope="col">job</th><th scope="col">verdict</th></tr></thead>
<tbody>{rows}</tbody></table></div>
<h2>What the doctor found</h2>
<table><thead><tr><th scope="col">level</th><th scope="col">finding</th></tr></thead><tbody>{findings}</tbody></table>
<h2>Signed</h2>
<p>This page stands for the JSON report with the SHA-256 checksum<br><code>{report.checksum}</code><br>
(<code>sha256sum FILE.json</code> prints it).</p>
<div class="sign-here"><div>Name and role</div><div>Signature</div><div>Date</div></div>
</main></body></html>
"""


def _row(result: Result) -> str:
    job = f"<code>{_safe(result.job)}</code>" if result.job else "–"
    own = not result.site_id or result.site_id.startswith(result.job)  # the embedded site has our ids
    at_site = "" if own else f"<br>at the site {_safe(result.site_id)}"
    return (
        f"<tr><th scope=row>{_safe(result.title)}<span class=advice>{_safe(result.group)}</span></th><td>{_safe(result.expected)}</td>"
        f"<td>{_safe(result.came)}{_advice(result.advice)}</td><td class=number>{duration(result.took_s)}</td>"
        f'<td class=job>{job}{at_site}</td><td class="sign {_CLASSES[result.verdict]}">{_safe(SIGNS[result.verdict])}</td></tr>\n'
    )


def _advice(text: str) -> str:
    return f"<span class=advice>{_safe(text)}</span>" if text else ""


def _safe(text: str) -> str:
    return html.escape(text)
