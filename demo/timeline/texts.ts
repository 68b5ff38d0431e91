import type { Language } from './story.ts'

const TEXTS = {
  title: ['What happens in the worker', 'Worker 中的事件'],
  pause: ['Pause', '暂停'],
  resume: ['Live', '实时'],
  zoomIn: ['Zoom in', '放大'],
  zoomOut: ['Zoom out', '缩小'],
  fit: ['Show all', '显示全部'],
  svg: ['SVG', 'SVG'],
  json: ['JSON', 'JSON'],
  saveSvg: ['Save the drawing as SVG', '保存为 SVG'],
  saveJson: ['Save the events as JSON', '将事件保存为 JSON'],
  list: ['Calls as a list', '以列表显示请求'],
  empty: ['Nothing has happened yet. Make a call, and it appears here.', '暂无事件。发起请求后，会显示在这里。'],
  hint: [
    'Hover over a bar to see its story. Drag to pan, pinch or use Ctrl + wheel to zoom.',
    '将鼠标悬停在条形上，可查看完整过程。拖动平移，双指捏合或 Ctrl + 滚轮缩放。',
  ],
  keys: [
    'Up and down: previous and next bar. Left and right: pan. Plus and minus: zoom. Home: show all. End: live. Space: pause. Escape: no selection.',
    '上下键：上一个、下一个条形。左右键：平移。加减键：缩放。Home：显示全部。End：实时。空格：暂停。Esc：取消选择。',
  ],
  drawing: ['Timeline of calls and refreshes', '请求与刷新的时间线'],
  waiting: ['waits for a token', '等待令牌'],
  sent: ['sent', '已发出'],
  replayed: ['sent again', '重发'],
  answered: ['answered', '已响应'],
  failed: ['failed', '失败'],
  refresh: ['refresh', '刷新'],
  legend: ['Legend', '图例'],
} as const

export type Texts = Readonly<Record<keyof typeof TEXTS, string>>

export function textsOf(language: Language): Texts {
  const index = language === 'zh' ? 1 : 0
  return Object.fromEntries(Object.entries(TEXTS).map(([name, texts]) => [name, texts[index]])) as Texts
}

/** A text alternative of the drawing. */
export function summarize(
  { calls, open, failed, refreshes }: Record<'calls' | 'open' | 'failed' | 'refreshes', number>,
  language: Language,
): string {
  if (language === 'zh') {
    return [
      `${calls} 个请求`,
      `${refreshes} 次刷新`,
      ...(open ? [`${open} 个进行中`] : []),
      ...(failed ? [`${failed} 个失败`] : []),
    ].join(' · ')
  }
  const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`
  return [
    count(calls, 'call'),
    refreshes === 1 ? '1 refresh' : `${refreshes} refreshes`,
    ...(open ? [`${open} in flight`] : []),
    ...(failed ? [`${failed} failed`] : []),
  ].join(' · ')
}
