#include "runners/report/style.h"

namespace dml::report {

// The eight hues of arms were chosen by search around Okabe and Ito's, so that any two of them stay apart
// (0.08 or more in Oklab) for normal, protan, deutan and tritan eyes (matrices of Machado et al., 2009),
// and from the paper as well. Contrast of text on what it stands on is 4.5 or more.
std::string figure_style() {
  return R"(:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1f242b; --muted: #59636e; --faint: #d9dee4; --track: #eef1f4; --accent: #1f66a8;
  --arm-0: #3581c1; --arm-1: #d58716; --arm-2: #12ac92; --arm-3: #bf407d;
  --arm-4: #02469c; --arm-5: #84320b; --arm-6: #75750b; --arm-7: #282f35;
  --compute: #2a74b8; --communication: #e3942c; --wait: #bfabdd; --other: #ccd2d9;
  --on-compute: #ffffff; --on-communication: #1b1206; --on-wait: #1d1230; --on-other: #1f242b;
  --heat-0: #f4f6f8; --heat-1: #dcebf7; --heat-2: #c0dbf0; --heat-3: #9dc6e6; --heat-4: #74acd9;
  --heat-5: #4a8fc8; --heat-6: #2a72b0; --heat-7: #175692; --heat-8: #0b3c70;
  --on-heat-low: #14202b; --on-heat-middle: #06121c; --on-heat-high: #ffffff;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --ink: #e4e9ef; --muted: #9aa5b1; --faint: #333b45; --track: #1f262e; --accent: #7db8ee;
    --arm-0: #6dbedf; --arm-1: #ee8960; --arm-2: #41ec9b; --arm-3: #e24190;
    --arm-4: #3f7fe3; --arm-5: #957710; --arm-6: #f8cb0e; --arm-7: #e7eff8;
    --compute: #4b9bf0; --communication: #ec9a45; --wait: #7d5fae; --other: #454d58;
    --on-compute: #04101d; --on-communication: #1b1206; --on-wait: #ffffff; --on-other: #ffffff;
    --heat-0: #1a2027; --heat-1: #16304a; --heat-2: #194063; --heat-3: #1d527f; --heat-4: #24669c;
    --heat-5: #3379b2; --heat-6: #60a3d6; --heat-7: #93c5ea; --heat-8: #cfe6f8;
    --on-heat-low: #e4e9ef; --on-heat-middle: #ffffff; --on-heat-high: #06121c;
  }
}
svg text { fill: var(--ink); font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
  "Liberation Sans", sans-serif; font-variant-numeric: tabular-nums; }
svg text.muted { fill: var(--muted); }
svg .paper { fill: var(--paper); }
svg .track { fill: var(--track); }
svg .grid { stroke: var(--faint); stroke-width: 1; }
svg .axis { stroke: var(--muted); stroke-width: 1; }
svg .separator { stroke: var(--faint); stroke-width: 1; }
svg .reference { stroke: var(--ink); stroke-width: 1.25; stroke-dasharray: 2 3; }
svg .leader { fill: none; stroke: var(--muted); stroke-width: 0.75; stroke-opacity: 0.7; }
svg .key { fill: none; stroke: var(--arm); stroke-width: 3; }
svg .missing { fill: none; stroke: var(--muted); stroke-opacity: 0.6; stroke-width: 1; stroke-dasharray: 2 2; }
svg .arm-0 { --arm: var(--arm-0); } svg .arm-1 { --arm: var(--arm-1); } svg .arm-2 { --arm: var(--arm-2); }
svg .arm-3 { --arm: var(--arm-3); } svg .arm-4 { --arm: var(--arm-4); } svg .arm-5 { --arm: var(--arm-5); }
svg .arm-6 { --arm: var(--arm-6); } svg .arm-7 { --arm: var(--arm-7); }
svg .fill { fill: var(--arm); }
svg .hatched { fill: var(--arm); fill-opacity: 0.45; stroke: var(--arm); stroke-width: 1.5; stroke-dasharray: 5 3; }
svg .mean { fill: var(--arm); stroke: var(--paper); stroke-width: 2; }
svg .hollow { fill: var(--paper); stroke: var(--arm); stroke-width: 2.5; }
svg .seed { fill: var(--arm); fill-opacity: 0.6; }
svg .interval { stroke: var(--arm); stroke-width: 3; stroke-linecap: round; }
svg .halo { stroke: var(--paper); stroke-width: 3.5; stroke-linecap: square; }
svg .whisker { stroke: var(--ink); stroke-width: 1.5; }
svg .curve { fill: none; stroke: var(--arm); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg .dashed { stroke-dasharray: 6 4; }
svg .band { fill: var(--arm); fill-opacity: 0.15; }
svg .activity-compute { fill: var(--compute); } svg .activity-communication { fill: var(--communication); }
svg .activity-wait { fill: var(--wait); } svg .activity-other { fill: var(--other); }
svg text.on-compute { fill: var(--on-compute); } svg text.on-communication { fill: var(--on-communication); }
svg text.on-wait { fill: var(--on-wait); } svg text.on-other { fill: var(--on-other); }
svg .segment { stroke: var(--paper); stroke-width: 0.75; }
svg .heat-0 { fill: var(--heat-0); } svg .heat-1 { fill: var(--heat-1); } svg .heat-2 { fill: var(--heat-2); }
svg .heat-3 { fill: var(--heat-3); } svg .heat-4 { fill: var(--heat-4); } svg .heat-5 { fill: var(--heat-5); }
svg .heat-6 { fill: var(--heat-6); } svg .heat-7 { fill: var(--heat-7); } svg .heat-8 { fill: var(--heat-8); }
svg text.on-heat-0 { fill: var(--muted); }
svg text.on-heat-1, svg text.on-heat-2, svg text.on-heat-3 { fill: var(--on-heat-low); }
svg text.on-heat-4, svg text.on-heat-5 { fill: var(--on-heat-middle); }
svg text.on-heat-6, svg text.on-heat-7, svg text.on-heat-8 { fill: var(--on-heat-high); }
)";
}

}  // namespace dml::report
