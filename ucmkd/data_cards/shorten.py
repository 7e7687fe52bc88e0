"""Cut long texts."""


def cut(text: str, most: int) -> str:
    """Put a text on one line of at most ``most`` characters, with an ellipsis where it goes on."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
