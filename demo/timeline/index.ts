/**
 * A live drawing of lingpai's events: a lane for the worker, one for each page, a bar for each call and refresh. It does not
 * depend on the page around it, and has its own styles in a shadow root.
 *
 *     import { mountTimeline } from './timeline/index.ts'
 *     const timeline = mountTimeline(document.querySelector('#timeline'), { events: session.explain })
 *
 * The parts: `feed` polls for entries, `model` turns them into lanes and bars (pure), `layout` places them, `paint` draws them
 * with a `pen` (canvas, or SVG for the export), `story` describes an item in words, `gestures` handles input.
 *
 * Colours follow the system, or `data-theme="light"` or `"dark"` of the element; each can be set as `--timeline-sent` and so
 * on (see `theme`). `--timeline-max-height` limits its height.
 */
export { createFeed, type ReadHistory } from './feed.ts'
export { type CallBar, createModel, type Lane, laneIdOf, type Mark, type Picture, type RefreshBar } from './model.ts'
export { formatDuration, type Item, type Language, tellItem, tellStory } from './story.ts'
export { mountTimeline, type Timeline, type TimelineOptions } from './timeline.ts'
