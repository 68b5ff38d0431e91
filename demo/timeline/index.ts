/**
 * A live drawing of what lingpai does: a lane for the worker, one for each page, a bar for each call and refresh. It needs
 * nothing of the page that it stands in, and brings its own styles, in a shadow root.
 *
 *     import { mountTimeline } from './timeline/index.ts'
 *     const timeline = mountTimeline(document.querySelector('#timeline'), { events: session.explain })
 *
 * The parts: `feed` asks for news, `model` makes lanes and bars of them (pure), `layout` places them, `paint` draws them with a
 * `pen` (canvas, or SVG for the export), `story` tells of one of them in words, `gestures` listens to hands.
 *
 * Colours follow the system, or `data-theme="light"` or `"dark"` of the element; each can be set as `--timeline-sent` and so
 * on (see `theme`). `--timeline-max-height` limits its height.
 */
export { createFeed, type ReadHistory } from './feed.ts'
export { type CallBar, createModel, type Lane, laneIdOf, type Mark, type Picture, type RefreshBar } from './model.ts'
export { formatDuration, type Item, type Language, tellItem, tellStory } from './story.ts'
export { mountTimeline, type Timeline, type TimelineOptions } from './timeline.ts'
