/** The looks of the page: system fonts, light and dark, from 320 pixels up. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #f6f5f2; --card: #ffffff; --ink: #1d1c1a; --soft: #63605a; --line: #e2dfd8;
  --bad: #b3261e; --bad-wash: #fbe9e7; --warn: #8a5a00; --warn-wash: #fdf3dc;
  --good: #1f6b3a; --good-wash: #e6f4ea; --calm: #4a5568; --calm-wash: #edeff2; --link: #0b57a4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #151515; --card: #1e1e1f; --ink: #eceae6; --soft: #a8a49c; --line: #343332;
    --bad: #ff9a8f; --bad-wash: #45201d; --warn: #f2c063; --warn-wash: #3b2e12;
    --good: #84d8a0; --good-wash: #17351f; --calm: #b6bfcc; --calm-wash: #2a2d33; --link: #8ec2ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
}
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 0 20px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; padding-top: 20px; }
h1 { font-size: 24px; letter-spacing: -0.01em; margin: 0; }
p { margin: 0; }
.where { color: var(--soft); }
.refresh { color: var(--soft); margin-left: auto; font-size: 13px; }
a { color: var(--link); }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
.summary { display: flex; flex-wrap: wrap; gap: 16px; align-items: center; justify-content: space-between; }
.summary .verdict { font-size: 20px; font-weight: 600; }
.summary dl { display: flex; flex-wrap: wrap; gap: 8px; margin: 0; }
.tile { min-width: 92px; padding: 8px 14px; border-radius: 10px; }
.tile dt { font-size: 12px; }
.tile dd { margin: 0; font-size: 26px; font-weight: 650; line-height: 1.1; font-variant-numeric: tabular-nums; }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  margin: 16px 0; padding: 16px 20px; overflow-wrap: anywhere;
}
h2 { font-size: 16px; margin: 0 0 8px; }
.count {
  font-size: 12px; font-weight: 600; color: var(--calm); background: var(--calm-wash);
  padding: 1px 8px; border-radius: 10px; vertical-align: 1px;
}
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-size: 12px; font-weight: 600; color: var(--soft); }
th, td { padding: 8px 12px 8px 0; vertical-align: top; }
tbody tr { border-top: 1px solid var(--line); }
td { font-variant-numeric: tabular-nums; }
td[data-name="Integration"] { min-width: 18ch; }
time { white-space: nowrap; }
code { font: 13px/1.4 ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; }
.mark, .chip { display: inline-block; border-radius: 6px; padding: 1px 8px; }
.mark { font-weight: 600; white-space: nowrap; }
.chip { font-size: 12px; color: var(--calm); background: var(--calm-wash); margin: 2px 2px 0 0; }
.bad { color: var(--bad); background: var(--bad-wash); }
.warn { color: var(--warn); background: var(--warn-wash); }
.good { color: var(--good); background: var(--good-wash); }
.calm { color: var(--calm); background: var(--calm-wash); }
.why, .empty, .more { color: var(--soft); font-size: 13px; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 10px 20px; margin: 0; }
.facts dt { font-size: 12px; color: var(--soft); }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
footer { color: var(--soft); font-size: 13px; padding-bottom: 28px; }
@media (max-width: 720px) {
  header, main, footer { padding: 0 12px; }
  header { padding-top: 12px; }
  .refresh { margin-left: 0; width: 100%; }
  section { padding: 12px 14px; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  tr { display: block; padding: 8px 0; }
  td { display: grid; grid-template-columns: 92px 1fr; gap: 0 10px; padding: 3px 0; }
  td::before { content: attr(data-name); color: var(--soft); font-size: 12px; padding-top: 2px; }
  td > * { grid-column: 2; justify-self: start; }
}
`;
