export interface Setting<Value extends string> {
  get(): Value
  set(value: Value): void
  /** Calls the listener now, and whenever the setting changes, here or in another tab. */
  follow(listener: (value: Value) => void): void
}

/** A setting of the user, stored for all pages of the demo. */
export function createSetting<Value extends string>(
  name: string,
  values: readonly Value[],
  initial: Value,
): Setting<Value> {
  const key = `lingpai-demo.${name}`
  const listeners = new Set<(value: Value) => void>()
  const toValue = (text: string | null) => values.find((value) => value === text) ?? initial
  let current = toValue(localStorage.getItem(key))

  function change(value: Value): void {
    if (value === current) return
    current = value
    for (const listener of listeners) listener(value)
  }
  addEventListener('storage', (event) => {
    if (event.key === key) change(toValue(event.newValue))
  })

  return {
    get: () => current,
    set(value) {
      localStorage.setItem(key, value)
      change(value)
    },
    follow(listener) {
      listeners.add(listener)
      listener(current)
    },
  }
}
