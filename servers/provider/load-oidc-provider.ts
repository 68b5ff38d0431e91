type OidcProvider = typeof import('oidc-provider')

const unsupportedRuntime = 'Unsupported runtime'

/** On Node 20, the library warns at import that it is made for later versions. It works, so the warning is suppressed. */
export async function loadOidcProvider(): Promise<OidcProvider> {
  const { warn } = console
  console.warn = (...parameters: unknown[]) => {
    if (!String(parameters[0]).includes(unsupportedRuntime)) warn(...parameters)
  }
  try {
    return await import('oidc-provider')
  } finally {
    console.warn = warn
  }
}
