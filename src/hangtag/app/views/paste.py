"""A small browser component: a photo pasted anywhere on the page, or with its button, arrives."""

import base64
import binascii
from collections.abc import Callable

import streamlit as st

from hangtag.app.uploads import Upload

_HTML = '<button type="button">Paste a photo</button><span role="status"></span>'

_CSS = """
:host { display: flex; align-items: center; gap: .7rem; }
button {
  font: inherit; font-size: .92rem; color: var(--st-text-color); cursor: pointer;
  background: transparent; border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius); padding: .38rem .8rem;
}
button:hover, button:focus-visible {
  border-color: var(--st-primary-color); color: var(--st-primary-color);
}
span { font-size: .85rem; opacity: .7; color: var(--st-text-color); }
"""

_JS = """
export default function (component) {
  const { parentElement, setTriggerValue } = component;
  const status = parentElement.querySelector('span');
  const button = parentElement.querySelector('button');
  const send = (blob) => {
    const reader = new FileReader();
    reader.onload = () => setTriggerValue('pasted', {
      name: blob.name && blob.name !== 'image.png' ? blob.name : '',
      data: reader.result.split(',')[1],
    });
    reader.readAsDataURL(blob);
    status.textContent = '';
  };
  const onPaste = (event) => {
    const files = [...(event.clipboardData?.files || [])];
    const photo = files.find((file) => file.type.startsWith('image/'));
    if (!photo) return;
    event.preventDefault();
    send(photo);
  };
  const onClick = async () => {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find((t) => t.startsWith('image/'));
        if (type) return send(await item.getType(type));
      }
      status.textContent = 'There is no photo in the clipboard.';
    } catch {
      status.textContent = 'Press Ctrl+V (on a Mac, Cmd+V) on this page instead.';
    }
  };
  document.addEventListener('paste', onPaste);
  button.addEventListener('click', onClick);
  return () => {
    document.removeEventListener('paste', onPaste);
    button.removeEventListener('click', onClick);
  };
}
"""

_component = st.components.v2.component("hangtag_paste", html=_HTML, css=_CSS, js=_JS)


def paste_button(receive: Callable[[Upload], None]) -> None:
    """Show the button; ``receive`` gets each photo that is pasted."""

    def arrived() -> None:
        pasted = st.session_state["paste"]["pasted"]
        st.session_state["pastes"] = number = st.session_state.get("pastes", 0) + 1
        name = pasted.get("name") or f"pasted-{number}.png"
        try:
            receive(Upload(name, base64.b64decode(pasted["data"], validate=True)))
        except (binascii.Error, ValueError):
            receive(Upload(name, error=f"{name}: did not arrive whole; paste it again"))

    _component(key="paste", on_pasted_change=arrived, height="content")
