/** One word of a command line: names come from servers, and a copied command must run nothing else. */
export function quoted(word: string): string {
  return /^[\w.@:%+=/,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
