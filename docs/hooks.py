"""MkDocs hook: documents and files beside docs/ that a page links to become part of the site.

A page links to them as GitHub shows them, for example to ../envoy/envoy.yaml. On the site each has
the path that it has in the repository, and the files of docs/ have theirs without docs/.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

DOCS = "docs/"
# Text, path and anchor of a link to something in the repository.
LINK = re.compile(r"\[((?:[^\[\]`]|`[^`]*`)*)\]\((?![a-z]+:)([^)\s#]+)(#[^)\s]*)?\)")


def repository(config):
    return Path(config.config_file_path).parent


def origin(file):
    """The path of a page in the repository."""
    return file.src_uri if file.generated_by else DOCS + file.src_uri


def target(page, path):
    """The path in the repository of what a page at `page` links to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path))


def outside_code(markdown, change):
    """Applies `change` to what is in no fenced block."""
    parts = re.split(r"(^[ ]*```.*?^[ ]*```[^\n]*$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))


def links(page, markdown):
    found = []
    outside_code(markdown, lambda text: found.extend(LINK.findall(text)) or text)
    return [target(page, path) for _, path, _ in found]


def on_files(files, config):
    open_pages = [(origin(file), file.content_string) for file in files if file.is_documentation_page()]
    open_pages.append((DOCS + "index", "[README](../README.md)"))
    while open_pages:
        page, markdown = open_pages.pop()
        for path in links(page, markdown):
            source = repository(config) / path
            is_new = files.get_file_from_path(path) is None
            if path.startswith((DOCS, "../")) or not source.is_file() or not is_new:
                continue
            file = File.generated(config, path, abs_src_path=str(source))
            files.append(file)
            if file.is_documentation_page():
                open_pages.append((path, source.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    own = origin(page.file)

    def rewritten(link):
        text, path, anchor = link.groups()
        wanted = target(own, path)
        if (repository(config) / wanted).is_dir():
            return text
        wanted = wanted.removeprefix(DOCS)
        relative = posixpath.relpath(wanted, posixpath.dirname(page.file.src_uri) or ".")
        return f"[{text}]({relative}{anchor or ''})"

    return outside_code(markdown, lambda text: LINK.sub(rewritten, text))
