/** The head of a column of numbers, which stand to the right. */
export function NumberHead(props: { children: string }): JSX.Element {
  return (
    <th scope="col" className="qhub-number">
      {props.children}
    </th>
  );
}
