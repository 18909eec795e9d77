"""How a workload's report looks: by day, by night, on paper."""

STYLE = """
:root { color-scheme: light dark; --line: #0002; --soft: #666; --ink: #1b2329; --page: #fff; --track: #0000000f;
  --good: #1f7a46; --bad: #c0282d; --c0: #1676a8; --c1: #d97a2b; --c2: #4f9a3d; --c3: #9554a5; --c4: #b8901a;
  --c5: #4a6fd0; --c6: #b8435c; --c7: #2f9c8c;
  --p0: #b9c4cb; --p1: #8fb6cc; --p2: #d8c48f; --p3: #1676a8; --p4: #6fae8a; }
@media (prefers-color-scheme: dark) { :root { --line: #fff3; --soft: #9aa5ad; --ink: #e4e9ec; --page: #14191d;
  --track: #ffffff17; --good: #57c98a; --bad: #ff7b7d; --c0: #4fb0e0; --c1: #f0a05c; --c2: #86c96f; --c3: #c58ad4;
  --c4: #dcb94f; --c5: #8aa6f2; --c6: #ec8199; --c7: #62ccbb;
  --p0: #57636b; --p1: #3f6f88; --p2: #8d7a45; --p3: #4fb0e0; --p4: #4d8a67; } }
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; max-width: 60rem; margin: 2.5rem auto; padding: 0 1.2rem;
  color: var(--ink); background: var(--page); }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .7rem; } p { margin: .4rem 0; }
.soft { color: var(--soft); font-size: .92rem; }
.state { font-size: .85rem; font-weight: 600; border-radius: 1rem; padding: .15rem .75rem; vertical-align: .25em;
  border: 1px solid; white-space: nowrap; } .state.good { color: var(--good); } .state.bad { color: var(--bad); }
.reason { border-left: 4px solid var(--bad); padding: .4rem .9rem; margin: 1rem 0; white-space: pre-wrap;
  overflow-wrap: anywhere; background: var(--track); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .8rem; margin: 1.4rem 0; }
.facts div { border: 1px solid var(--line); border-radius: .5rem; padding: .55rem .9rem; }
.facts b { display: block; font-size: 1.2rem; font-weight: 600; white-space: nowrap; }
.facts span { color: var(--soft); font-size: .82rem; line-height: 1.3; display: block; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
th { font-size: .8rem; color: var(--soft); font-weight: 600; vertical-align: bottom; }
td.n, th.n { text-align: right; } td.n { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.digest, code { font: .68rem ui-monospace, "DejaVu Sans Mono", monospace; }
td.digest { color: var(--soft); width: 28rem; }
section { overflow-x: auto; } table.summary { font-size: .85rem; }
table.summary th, table.summary td { overflow-wrap: normal; padding: .25rem .5rem; }
table.summary td { font-variant-numeric: tabular-nums; }
figure { margin: 0 0 1.2rem; } figcaption { color: var(--soft); font-size: .85rem; }
img { max-width: 100%; max-height: 40rem; background: #fff; border-radius: .35rem; border: 1px solid var(--line); }
a { color: var(--c0); } footer { margin: 3rem 0 1rem; border-top: 1px solid var(--line); padding-top: .8rem; }
svg.chart { display: block; width: 100%; height: auto; font: 12px system-ui, "DejaVu Sans", sans-serif; }
svg.bar { display: block; width: 100%; height: 1.7rem; border-radius: .35rem; }
svg.cell { display: block; width: 100%; min-width: 7rem; height: .45rem; margin-top: .3rem; border-radius: .2rem; }
svg.dot { width: .7em; height: .7em; margin-right: .5em; vertical-align: baseline; }
.legend { font-size: .88rem; margin-top: .6rem; } .legend span { margin-right: 1.3rem; white-space: nowrap; }
svg text { fill: var(--ink); } svg text.name { text-anchor: end; } svg text.quiet { fill: var(--soft); }
svg text.tick { fill: var(--soft); text-anchor: middle; } .grid { stroke: var(--line); fill: none; }
.wait { stroke: var(--soft); stroke-width: 1.5; fill: none; } .track { fill: var(--track); }
.mark { stroke: var(--ink); stroke-width: 1; vector-effect: non-scaling-stroke; }
rect.bad { stroke: var(--bad); stroke-width: 2; }
.c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); } .c3 { fill: var(--c3); }
.c4 { fill: var(--c4); } .c5 { fill: var(--c5); } .c6 { fill: var(--c6); } .c7 { fill: var(--c7); }
.p0 { fill: var(--p0); } .p1 { fill: var(--p1); } .p2 { fill: var(--p2); } .p3 { fill: var(--p3); }
.p4 { fill: var(--p4); }
@media (max-width: 40rem) { svg.chart { min-width: 36rem; } }
@media print { :root { color-scheme: light; --line: #0003; --soft: #555; --ink: #000; --page: #fff;
  --track: #0000000f; } body { margin: 0; max-width: none; font-size: 10pt; } svg, .reason { print-color-adjust: exact;
  -webkit-print-color-adjust: exact; } h2 { break-after: avoid; } tr, svg.chart, .facts { break-inside: avoid; } }
"""
