type Kind = 'comment' | 'string' | 'keyword' | 'name'

const keywords =
  'async await catch const else export false from function if import let new return throw true try type typeof undefined void'

const pattern = new RegExp(
  [
    String.raw`(?<comment>\/\/[^\n]*)`,
    String.raw`(?<string>'[^'\n]*'|\`[^\`]*\`)`,
    String.raw`(?<keyword>\b(?:${keywords.replaceAll(' ', '|')})\b)`,
    String.raw`(?<name>\b[A-Za-z_]\w*(?=\())`,
  ].join('|'),
  'g',
)

/** Renders TypeScript with colours for comments, strings, keywords and names of calls. */
export function highlight(code: string): DocumentFragment {
  const fragment = document.createDocumentFragment()
  let end = 0
  for (const { 0: text, index, groups = {} } of code.matchAll(pattern)) {
    const kind = Object.keys(groups).find((name) => groups[name] !== undefined) as Kind
    const part = document.createElement('span')
    part.className = kind
    part.textContent = text
    fragment.append(code.slice(end, index), part)
    end = index + text.length
  }
  fragment.append(code.slice(end))
  return fragment
}
