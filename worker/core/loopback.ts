/** Whether a host name is a loopback name: plain http to it does not leave the machine (RFC 8252 §8.3). */
export function isLoopbackHost(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127(\.\d+){3}$/.test(hostname)
  )
}

/** Whether tokens may go to a URL: https, or http that does not leave the machine (RFC 6750 §5.3, RFC 8252 §8.3). */
export function isSecure({ protocol, hostname }: { readonly protocol: string; readonly hostname: string }): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname))
}
