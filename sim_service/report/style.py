"""How the report looks: the dashboard's palette (bridge/static/css/tokens.css), light and dark, paper and phone."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --page: #f7f7f8; --surface: #ffffff; --raised: #f4f4f6; --line: #e6e6ea; --line-strong: #83848f;
  --text: #18181d; --muted: #5d5e6a; --accent: #4f4bc9; --accent-soft: #eeedfc;
  --good: #18703f; --good-soft: #e7f5ec; --warn: #855000; --warn-soft: #fdf2dd; --bad: #b3261e; --bad-soft: #fdeceb;
  --second: #a65600;
  --font: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d0e12; --surface: #15161b; --raised: #1c1d24; --line: #282a33; --line-strong: #6f7180;
    --text: #eeeef2; --muted: #a0a1af; --accent: #9a97f7; --accent-soft: #24243f;
    --good: #6fd39c; --good-soft: #15291f; --warn: #ecb765; --warn-soft: #2e2415; --bad: #ff958c; --bad-soft: #331b1b;
    --second: #ecb765;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 var(--font); overflow-wrap: anywhere;
}
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h4 { font-size: .8125rem; margin: 1.25rem 0 .5rem; color: var(--muted); font-weight: 600; }
p { margin: 0 0 .75rem; max-width: 75ch; }
.lead { font-size: 1.0625rem; }
.muted, figcaption, caption, footer { color: var(--muted); }
a { color: var(--accent); text-underline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; margin: .75rem 0 0; padding: 0; }
section {
  background: var(--surface); border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem; margin: 1.25rem 0;
}
.grid { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); }
.two { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); }
.tiles { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); margin: 0 0 1rem; }
.tiles div { background: var(--raised); border-radius: 8px; padding: .625rem .875rem; }
.tiles dt { color: var(--muted); font-size: .8125rem; }
.tiles dd { margin: 0; font-size: 1.375rem; font-weight: 600; line-height: 1.3; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
table + table { margin-top: 1.5rem; }
caption { text-align: left; font-size: .8125rem; padding: 0 0 .375rem; }
th, td { text-align: left; vertical-align: top; padding: .375rem .75rem .375rem 0; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--muted); font-weight: 600; }
tbody th { font-weight: 500; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
th:last-child, td:last-child { padding-right: 0; }
.gates { table-layout: fixed; } .gates th:first-child { width: 34%; } .gates th:last-child { width: 28%; }
.pairs th { width: 45%; color: var(--muted); font-weight: 400; }
.bars { table-layout: fixed; }
.bars th { width: 38%; } .bars td.number { width: 3.5rem; }
.bar { display: block; min-width: 2px; height: .75rem; margin-top: .3rem; border-radius: 2px;
  background: var(--accent); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.badge { white-space: nowrap; display: inline-block; border-radius: 6px; padding: 0 .5rem; font-size: .8125rem;
  font-weight: 600; }
.pass { color: var(--good); background: var(--good-soft); }
.fail { color: var(--bad); background: var(--bad-soft); }
.skipped { color: var(--muted); background: var(--raised); }
.problem { color: var(--warn); background: var(--warn-soft); border-radius: 8px; padding: .5rem .75rem;
  max-width: none; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: .8125rem; margin-bottom: .25rem; }
svg { display: block; width: 100%; height: auto; max-width: 480px; }
svg text { font: 11px var(--font); fill: var(--muted); }
svg .axis { stroke: var(--line-strong); stroke-width: 1; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .good { fill: var(--accent); } svg .bad { fill: url(#hatch); stroke: var(--second); stroke-width: 1; }
svg .asked { fill: var(--line-strong); }
svg .limit { stroke: var(--second); stroke-width: 1.5; stroke-dasharray: 4 3; } svg .limit-name { fill: var(--second); }
svg .hatching { stroke: var(--second); stroke-width: 2; }
svg polyline { fill: none; stroke-linejoin: round; }
svg .state, svg .speed { stroke: var(--accent); stroke-width: 2; }
svg .action { stroke: var(--second); stroke-width: 1.5; stroke-dasharray: 5 2.5; }
svg .phase { fill: var(--line); fill-opacity: .55; } svg .phase-number { font-size: 9px; }
svg .mark { fill: var(--surface); stroke: var(--text); stroke-width: 2; }
svg .mark-line { stroke: var(--line-strong); stroke-dasharray: 2 3; }
svg .mark-text { fill: var(--text); font-weight: 600; }
svg .mark-text, svg .limit-name { paint-order: stroke; stroke: var(--surface); stroke-width: 3px; }
svg .table { fill: var(--raised); stroke: var(--line-strong); } svg .area { fill: none; stroke: var(--line-strong);
  stroke-dasharray: 3 3; }
svg .reach { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 7 4; }
svg .base { fill: var(--muted); }
svg .pick { fill: var(--accent); fill-opacity: .75; }
svg .place { fill: none; stroke: var(--second); }
svg .failed { fill: none; stroke: var(--bad); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: .5rem 0; padding: 0;
  font-size: .8125rem; color: var(--muted); }
.legend li { display: flex; align-items: center; gap: .4rem; }
.legend svg { width: 20px; height: 14px; flex: none; }
.shots { display: grid; gap: .5rem; grid-template-columns: repeat(auto-fill, minmax(min(30%, 88px), 1fr)); }
.shots img { display: block; width: 100%; height: auto; border-radius: 4px; background: var(--raised); }
.shots figcaption { margin: .125rem 0 0; font-size: .6875rem; line-height: 1.3; }
.clips { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.small { font-size: .8125rem; }
video { display: block; width: 100%; height: auto; border-radius: 8px; background: #101116; }
details { margin: 1rem 0 0; } summary { cursor: pointer; font-weight: 600; }
.episode + .episode { border-top: 1px solid var(--line); margin-top: 1.5rem; padding-top: .25rem; }
footer { padding-bottom: 2rem; font-size: .8125rem; }
@media (max-width: 600px) {
  header, main, footer { padding-left: .75rem; padding-right: .75rem; }
  section { padding: 1rem .875rem; }
  .tiles { grid-template-columns: 1fr 1fr; }
}
@media (min-width: 900px) { .gates th:first-child { width: 20%; } .gates th:last-child { width: 30%; } }
@media print {
  :root { color-scheme: light; --page: #fff; }
  body { font-size: 10pt; }
  nav { display: none; }
  section { border: 0; padding: 0; }
  .bar, svg, .badge { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  figure, tr, .tiles { break-inside: avoid; } h2, h3, h4 { break-after: avoid; }
}
"""
