/**
 * The terminal makes its styles by script, as text. Our content security policy allows none of that; style sheets that
 * are objects, and single properties, are no text. From here on the document uses those: the same for the eye.
 */
const make = document.createElement;
const setText = Element.prototype.setAttribute;

document.createElement = function createElement(tag: string, options?: ElementCreationOptions): HTMLElement {
  return tag === "style" ? sheetHolder() : make.call(document, tag, options);
} as typeof document.createElement;

Element.prototype.setAttribute = function setAttribute(this: Element, name: string, value: string): void {
  if (name === "style" && this instanceof HTMLElement) this.style.cssText = value;
  else setText.call(this, name, value);
};

/** Stands where a style element would, which the policy refuses even when it is empty. */
function sheetHolder(): HTMLElement {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const element = make.call(document, "template");
  Object.defineProperty(element, "textContent", {
    get: () => "",
    set: (text: string) => sheet.replaceSync(text),
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}
