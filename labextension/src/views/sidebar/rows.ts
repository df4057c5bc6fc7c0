/** Of a list of rows of one height, those that are in sight, and a few around them. */
export function rowsInSight(
  count: number,
  rowHeight: number,
  top: number,
  height: number,
  around = 4
): [first: number, end: number] {
  const first = Math.floor(top / rowHeight) - around;
  const end = Math.ceil((top + height) / rowHeight) + around;
  return [
    Math.max(0, Math.min(first, count)),
    Math.max(0, Math.min(end, count))
  ];
}

/** How far a list has to be scrolled so that this row is in sight; as little as possible. */
export function scrollTo(
  row: number,
  rowHeight: number,
  top: number,
  height: number
): number {
  const begin = row * rowHeight;
  if (begin < top) {
    return begin;
  }
  return Math.max(top, begin + rowHeight - height);
}
