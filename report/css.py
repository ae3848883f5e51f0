"""The style sheet of the report's page.

Promise:
- It loads nothing.
- Color-blind readers can distinguish the colors.
- A color that means something comes with a sign, a word, a dash or a stripe that means the same.
"""

CSS = """
:root { color-scheme: light dark; --ink: #1c2128; --soft: #57606a; --rule: #d5dae0; --back: #fff; --card: #f4f6f8;
  --rewards: #00735a; --trading: #0062a8; --fees: #b84a00; --bad: #b3261e; --unknown: #8b949e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --rule: #343b44; --back: #0f1318;
  --card: #181e25; --rewards: #45cfa5; --trading: #6db5f5; --fees: #f59b5f; --bad: #ff9388; --unknown: #7d8793; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem 1rem 3rem; max-width: 76rem; background: var(--back); color: var(--ink);
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 0 0 .25rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .25rem 0 .5rem; overflow-wrap: anywhere; }
section { margin-top: 2.25rem; min-width: 0; }
.note, footer { color: var(--soft); font-size: .875rem; max-width: 46rem; }
.where span { white-space: nowrap; }
.where { color: var(--soft); margin: .25rem 0 0; overflow-wrap: anywhere; }
.where b { color: var(--ink); border: 1px solid var(--soft); border-radius: .25rem; padding: 0 .4rem; }
.bad { color: var(--bad); }
footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: .75rem; max-width: none; }

.totals { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .75rem; margin: 1.25rem 0 0; }
.totals > div { background: var(--card); border: 1px solid var(--card); border-radius: .5rem;
  padding: .7rem .9rem; }
.totals > .hero, .totals > .unpaid { grid-column: 1 / -1; background: none; }
.totals > .hero { border-color: var(--soft); }
.totals > .unpaid { border: 1px dashed var(--soft); }
.totals dt { color: var(--soft); font-size: .875rem; }
.totals dd { margin: 0; }
.totals .figure { font-size: 1.45rem; font-weight: 600; overflow-wrap: anywhere; }
.totals .hero .figure { font-size: 2.5rem; line-height: 1.2; }
.totals .small { color: var(--soft); font-size: .8125rem; }

.pair { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); column-gap: 3rem; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; padding: 0;
  margin: .25rem 0 .75rem; font-size: .875rem; }
.legend li { white-space: nowrap; }
.sample { width: 26px; height: 12px; margin-right: .4rem; overflow: visible; }

.chart svg, .chart svg svg { overflow: visible; }
.chart svg { display: block; }
svg text { font-size: 12px; fill: var(--ink); stroke: none; }
svg .axis { text-anchor: end; fill: var(--soft); }
svg .date { text-anchor: middle; fill: var(--soft); }
svg .strong { fill: var(--ink); }
svg .sum { text-anchor: end; }
svg .value { text-anchor: middle; font-weight: 600; paint-order: stroke; stroke: var(--back); stroke-width: 4px; }
svg line, svg polyline { fill: none; vector-effect: non-scaling-stroke; }
svg .grid { stroke: var(--rule); }
svg .zero { stroke: var(--ink); stroke-width: 1.25px; }
svg .leader { stroke: var(--unknown); }
svg .bare { fill: transparent; }
svg polyline, .sample line { stroke-width: 2px; stroke-linejoin: round; }
svg .rewards { stroke: var(--rewards); }
svg .trading { stroke: var(--trading); stroke-dasharray: 7 4; }
svg .fees { stroke: var(--fees); stroke-dasharray: 2 3; }
svg polyline.net, .sample .net { stroke: var(--ink); stroke-width: 3px; }
svg text.rewards { fill: var(--rewards); stroke: none; }
svg text.trading { fill: var(--trading); stroke: none; }
svg text.fees { fill: var(--fees); stroke: none; }
svg text.net { font-weight: 700; }
svg circle { fill: var(--ink); }
svg .curve { stroke: var(--trading); stroke-width: 2px; }
svg rect.qualified { fill: var(--trading); }
svg rect.excluded { fill: url(#striped); stroke: var(--fees); }
svg rect.unknown { fill: var(--back); stroke: var(--unknown); stroke-dasharray: 2 2; }
svg .under { fill: var(--back); }
svg .stripe { fill: var(--fees); }

.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; line-height: 1.2;
  max-width: 6.5rem; }
tbody th { font-weight: 400; white-space: normal; overflow-wrap: anywhere; min-width: 7rem; max-width: 16rem; }
tfoot th, tfoot td { font-weight: 600; border-bottom: 0; }
th:first-child, .words { text-align: left; }
th:first-child { position: sticky; left: 0; background: var(--back); padding-left: 0; }
details { margin-top: .75rem; }
summary { cursor: pointer; padding: .25rem 0; }
.said td:last-child { white-space: normal; min-width: 16rem; }

@media (max-width: 50rem) {
  .pair { display: block; }
  .totals { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .5rem; }
  .totals > div { padding: .5rem .7rem; }
  .totals .long { font-size: .9rem; line-height: 2.3; }
  .totals .hero .long { font-size: 1.75rem; line-height: 1.7; }
  svg .wide { display: none; }
  tbody th { max-width: 8.5rem; }
}
"""
