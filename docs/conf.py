"""How `make docs` builds these pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

from asegen import __version__

project, author, copyright = "asegen", "The asegen developers", "The asegen developers"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

# Tutorials run at every build: what they print is what this version prints. A cell that fails ends the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 150
nb_execution_in_temp = True
nb_output_stderr = "remove"
nb_merge_streams = True
nb_render_markdown_format = "gfm"
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # tutorials call `asegen`

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
default_role = "code"  # docstrings write `name` for code

html_theme = "furo"
html_title = f"asegen {release}"
html_static_path: list[str] = []
pygments_style, pygments_dark_style = "tango", "github-dark"


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _displayed(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f"<div>{convert(node.astext(), display='block')}</div>\n")
    raise nodes.SkipNode


def _prose(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keeps Napoleon from taking words before a colon for a type: what comes back is said in prose here."""
    starts = [k + 1 for k, line in enumerate(lines[:-1]) if line.strip() == "Returns:"]
    for k in [0, *starts] if what == "property" else starts:
        text = lines[k].lstrip()
        lines[k] = f"{lines[k][: -len(text)]}: {text}"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Equations become MathML, which browsers draw without scripts and without the network."""
    app.connect("autodoc-process-docstring", _prose, priority=400)  # before Napoleon
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


html_math_renderer = "mathml"
