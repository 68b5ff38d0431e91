import { writeThemeStyles } from './theme.ts'

export const STYLES = `
${writeThemeStyles()}
:host { display: block; color: var(--tl-text); font: 14px/1.45 system-ui, 'Noto Sans SC', 'PingFang SC', 'Microsoft YaHei', sans-serif; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
section { display: grid; gap: 8px; min-width: 0; padding: 12px; background: var(--tl-background); border: 1px solid var(--tl-line); border-radius: 12px; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.summary { flex: 1 1 12rem; margin: 0; color: var(--tl-quiet); font-variant-numeric: tabular-nums; }
.group { display: flex; gap: 6px; }
button { min-width: 34px; min-height: 34px; padding: 0 10px; border: 1px solid var(--tl-line); border-radius: 8px; background: var(--tl-lane); color: inherit; font: inherit; cursor: pointer; }
button:hover { border-color: var(--tl-quiet); }
.live { display: inline-flex; gap: 7px; align-items: center; font-weight: 600; }
.live i { width: 9px; height: 9px; border-radius: 2px; background: var(--tl-quiet); }
.live[aria-pressed='true'] i { border-radius: 50%; background: var(--tl-ok); box-shadow: 0 0 0 3px var(--tl-ok-tint); }
:focus-visible { outline: 2px solid var(--tl-sent); outline-offset: 2px; }
.stage { position: relative; min-height: 150px; max-height: var(--timeline-max-height, 70vh); overflow: hidden auto; border-radius: 8px; cursor: grab; touch-action: pan-y; scrollbar-width: thin; }
.stage.panning { cursor: grabbing; }
.stage.pointing { cursor: pointer; }
canvas { display: block; width: 100%; }
.empty { position: absolute; inset: 108px 0 auto; margin: 0; padding: 0 16px; color: var(--tl-quiet); text-align: center; pointer-events: none; }
.story { min-height: 4.35em; margin: 0; padding: 8px 12px; border-radius: 8px; background: var(--tl-lane); text-wrap: pretty; overflow-wrap: anywhere; }
.story.quiet { color: var(--tl-quiet); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 0; padding: 0; color: var(--tl-quiet); font-size: 12.5px; list-style: none; }
.legend li { display: inline-flex; gap: 6px; align-items: center; white-space: nowrap; }
.legend i { flex: none; width: 22px; height: 12px; border-radius: 3px; }
.waiting { background: repeating-linear-gradient(-45deg, var(--tl-wait) 0 2.2px, var(--tl-wait-tint) 2.2px 5.6px); box-shadow: inset 0 -1.5px var(--tl-wait); }
.sent { background: var(--tl-sent); }
.replayed { background: radial-gradient(circle at 2px 2px, var(--tl-replay) 1.3px, transparent 1.6px) 0 0 / 5px 5px, var(--tl-replay-tint); box-shadow: inset 0 -1.5px var(--tl-replay); }
.answered, .failed { position: relative; background: linear-gradient(to right, var(--tl-sent) 55%, var(--tl-ok) 55%); }
.failed { background: linear-gradient(to right, var(--tl-sent) 45%, var(--tl-fail) 45%); }
.failed::after { position: absolute; inset: 0 0 0 45%; color: var(--tl-background); font: 700 11px/12px system-ui, sans-serif; text-align: center; content: '✕'; }
.refresh { background: var(--tl-wait); }
details { color: var(--tl-quiet); font-size: 13px; }
summary { width: fit-content; border-radius: 4px; cursor: pointer; }
.list { display: grid; gap: 4px; max-height: 14rem; margin: 8px 0 0; padding: 0 0 0 2.6em; overflow: auto; }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (pointer: coarse) { button { min-height: 44px; min-width: 44px; } }
@media (forced-colors: active) { .stage { border: 1px solid; } .legend i { forced-color-adjust: none; } }
`
