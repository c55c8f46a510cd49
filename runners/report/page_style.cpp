#include "runners/report/page_style.h"

namespace dml::report {

// A drawing's box asks for its own width, not the window's, so that half a column shows the narrow drawing as
// a phone does.
std::string page_style() {
  return R"(*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif; overflow-wrap: break-word; }
.page { max-width: 77rem; margin: 0 auto; padding: 3.5rem 2rem 6rem; }
a { color: var(--accent); text-underline-offset: 0.2em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; }
h1, h2, h3, h4 { line-height: 1.25; letter-spacing: -0.011em; text-wrap: balance; }
h1 { font-size: 2.125rem; letter-spacing: -0.022em; margin: 0; max-width: 46rem; }
h2 { font-size: 1.5rem; margin: 4rem 0 1rem; }
h3 { font-size: 1.125rem; margin: 2.5rem 0 0.75rem; }
h4 { font-size: 1rem; margin: 2rem 0 0.5rem; }
header { margin-bottom: 2.5rem; }
.subtitle { color: var(--muted); margin: 0.75rem 0 0; max-width: 46rem; }
main { min-width: 0; }
main > * { max-width: 46rem; }
main > .table { max-width: none; }
main > :first-child, .side:first-child > :first-child { margin-top: 0; }
p { margin: 0 0 1rem; }
ul { margin: 0 0 1rem; padding-left: 1.25rem; }
li { margin: 0.25rem 0; }
li::marker { color: var(--muted); }
.callout { font-size: 1.5rem; line-height: 1.4; letter-spacing: -0.011em; font-weight: 600; margin: 0 0 2rem;
  padding-left: 1.25rem; border-left: 4px solid var(--accent); text-wrap: pretty; }
code { font: 0.875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
p code, li code, td code, th code, figcaption p code { background: var(--track); border-radius: 4px;
  padding: 0.1em 0.3em; }
pre { margin: 0 0 1rem; padding: 0.75rem 1rem; background: var(--track); border-radius: 8px; overflow-x: auto;
  line-height: 1.5; }
.caption { color: var(--muted); font-size: 0.875rem; margin: 0 0 0.5rem; }
.table { overflow-x: auto; margin: 0 0 1.5rem; }
table { border-collapse: collapse; font-size: 0.9375rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: baseline; padding: 0.45rem 1.25rem 0.45rem 0;
  border-bottom: 1px solid var(--faint); }
th { color: var(--muted); font-weight: 600; font-size: 0.8125rem; vertical-align: bottom;
  border-bottom-color: var(--muted); }
.number { white-space: nowrap; }
td:first-child { min-width: 9rem; }
td:first-child { min-width: 9rem; }
th.number, td.number { text-align: right; white-space: nowrap; padding-right: 0; padding-left: 1.25rem; }
td.number + td:not(.number), th.number + th:not(.number) { padding-left: 1.5rem; }
tbody tr:last-child td { border-bottom: 0; }
.none { color: var(--muted); }
figure { margin: 2rem 0 2.5rem; padding: 1.25rem 1.25rem 1rem; border: 1px solid var(--faint); border-radius: 12px; }
.figure-title { font-weight: 600; line-height: 1.35; margin: 0 0 1rem; }
.drawing { container-type: inline-size; overflow-x: auto; overflow-y: hidden; }
.drawing svg { display: block; width: 100%; height: auto; }
.drawing svg.narrow { display: none; max-width: 30rem; }
.drawing.wide-only svg { min-width: 35rem; }
@container (max-width: 33.75rem) {
  .drawing svg.wide { display: none; }
  .drawing svg.narrow { display: block; }
  .drawing.wide-only svg.wide { display: block; }
}
figcaption { margin-top: 1rem; color: var(--muted); font-size: 0.875rem; line-height: 1.55; }
figcaption p { margin: 0 0 0.5rem; }
figcaption strong { color: var(--ink); font-weight: 600; }
.command code { white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; color: var(--ink);
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
figcaption .table { margin: 0.5rem 0 0.75rem; color: var(--ink); }
figcaption table { font-size: 0.8125rem; }
summary { cursor: pointer; width: fit-content; margin: 0 0 0.5rem; }
summary:hover { color: var(--ink); }
.side { min-width: 0; container-type: inline-size; }
nav { font-size: 0.875rem; line-height: 1.4; margin-bottom: 2.5rem; }
nav p { color: var(--muted); font-weight: 600; margin: 0 0 0.5rem; }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; }
nav li { margin: 0; }
nav .level-3 { display: none; }
nav a { color: var(--muted); text-decoration: none; display: block; padding: 0.2rem 0; }
nav a:hover { color: var(--accent); text-decoration: underline; }
@media screen and (min-width: 60rem) {
  main > .side-by-side { max-width: none; }
  .side-by-side { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 2.5rem; align-items: start; }
  .side > :first-child { margin-top: 0; }
}
@media screen and (min-width: 77rem) {
  .page { display: grid; grid-template-columns: 11.5rem minmax(0, 1fr); column-gap: 3.5rem; }
  header { grid-column: 2; }
  nav { grid-column: 1; grid-row: 2; position: sticky; top: 2rem; align-self: start; max-height: calc(100vh - 4rem);
    overflow-y: auto; }
  main { grid-column: 2; grid-row: 2; }
  nav ul { display: block; }
  nav .level-3 { display: block; padding-left: 0.9rem; }
}
@media screen and (max-width: 40rem) {
  .page { padding: 1.75rem 1rem 3rem; }
  h1 { font-size: 1.625rem; }
  h2 { font-size: 1.3125rem; margin-top: 3rem; }
  .callout { font-size: 1.25rem; padding-left: 1rem; }
  figure { border-width: 1px 0 0; border-radius: 0; padding: 1rem 0 0; }
}
@page { size: A4; margin: 16mm; }
@media print {
  body { font-size: 10pt; }
  .page { max-width: none; padding: 0; }
  .skip, nav, summary { display: none; }
  main > * { max-width: none; }
  h2, h3, h4, .figure-title { break-after: avoid; }
  figure, .callout, .table, tr, pre { break-inside: avoid; }
  thead { break-after: avoid; }
  figure { padding: 4mm; }
  .table, .drawing, pre { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding-right: 0.6rem; }
  td:first-child { min-width: 0; }
  .number { white-space: normal; }
  pre { white-space: pre-wrap; }
  .drawing.wide-only svg { min-width: 0; }
  a { color: inherit; text-decoration: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)";
}

}  // namespace dml::report
