// What stands in front of the page until it is answered: dialogs, questions, values that are shown once.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { t } from "../text";
import { Field, Rest, useForm } from "./form";

export function Dialog({ title, close, wide, children }: { title: string; close: () => void; wide?: boolean; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>("input, select, textarea, pre")?.focus();
    return () => dialog?.close(); // gives the focus back to where it was
  }, []);
  const id = useId();
  return (
    <dialog ref={element} class={wide ? "wide" : undefined} onClose={close} aria-labelledby={id}>
      <header class="page">
        <h2 id={id}>{title}</h2>
        <button type="button" class="quiet" aria-label={t.close} onClick={() => element.current?.close()}>✕</button>
      </header>
      {children}
    </dialog>
  );
}

// Asks before something that cannot be taken back; with <confirm>, the name must be typed.
export function Sure({ title, text, confirm, action, close }: { title: string; text: string; confirm?: string; action: () => Promise<unknown>; close: () => void }) {
  const [typed, setTyped] = useState("");
  const form = useForm(async () => {
    await action();
    close();
  });
  return (
    <Dialog title={title} close={close}>
      <form onSubmit={form.onSubmit}>
        <p>{text}</p>
        {confirm ? <Field label={t.typeToConfirm(confirm)} value={typed} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} /> : null}
        <Rest problem={form.problem} />
        <footer>
          <button type="button" onClick={close}>{t.cancel}</button>
          <button class="danger" disabled={form.busy || (confirm !== undefined && typed !== confirm)}>{title}</button>
        </footer>
      </form>
    </Dialog>
  );
}

// A value that is shown once; one click copies it. Only secure contexts have a clipboard to write to.
export function Once({ label, value }: { label: string; value: string }) {
  const [copied, setCopied] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => setCopied(false), [value]);
  const copy = async () => {
    box.current?.select();
    try {
      if (navigator.clipboard) await navigator.clipboard.writeText(value);
      else if (!document.execCommand("copy")) return;
      setCopied(true);
    } catch {
      // The value stays selected: Ctrl-C copies it.
    }
  };
  return (
    <div class="once">
      <label for={id}>{label}</label>
      <div>
        <input id={id} ref={box} readOnly value={value} onFocus={(event) => event.currentTarget.select()} />
        <button type="button" onClick={() => void copy()}>{copied ? t.copied : t.copy}</button>
      </div>
      <span class="unseen" role="status">{copied ? t.copied : ""}</span>
    </div>
  );
}
