/** The bell, for the page and its tab. */

export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="7" fill="#b3261e"/>
<path d="M16 6a1.6 1.6 0 0 1 1.6 1.6v.7c3.4.7 5.4 3.4 5.4 7.2 0 4 1 5.300 2 6.500H7c1-1.200 2-2.500 2-6.500 0-3.800 2-6.500 5.400-7.200v-.7A1.6 1.6 0 0 1 16 6zm-2.600 17.500h5.200a2.600 2.600 0 0 1-5.200 0z" fill="#fff"/>
</svg>
`;
