//! Tables that can be sorted.

use super::super::svg::escape;
use super::super::words::NOTHING;

/// A column.
pub(in crate::report) struct Column {
    /// What stands over it.
    pub(in crate::report) title: String,
    /// What it means, shown when pointed at.
    pub(in crate::report) help: &'static str,
    /// Whether it holds numbers.
    pub(in crate::report) number: bool,
}

impl Column {
    pub(in crate::report) fn text(title: &str) -> Self {
        Self { title: title.into(), help: "", number: false }
    }

    pub(in crate::report) fn number(title: &str, help: &'static str) -> Self {
        Self { title: title.into(), help, number: true }
    }
}

/// A cell: HTML, and what it is sorted by.
pub(in crate::report) struct Cell {
    html: String,
    key: Option<String>,
}

impl Cell {
    /// Plain text, sorted as such.
    pub(in crate::report) fn text(text: &str) -> Self {
        Self { html: escape(text), key: Some(text.into()) }
    }

    /// HTML that is sorted by `key`.
    pub(in crate::report) fn html(html: String, key: &str) -> Self {
        Self { html, key: Some(key.into()) }
    }

    /// A number, shown as `html`; none is a dash that stays at the end.
    pub(in crate::report) fn number(value: Option<f64>, html: impl FnOnce(f64) -> String) -> Self {
        match value.filter(|value| value.is_finite()) {
            Some(value) => Self { html: html(value), key: Some(value.to_string()) },
            None => Self { html: NOTHING.into(), key: None },
        }
    }
}

/// A table in a box that scrolls sideways; the first cell of a row names it.
pub(in crate::report) fn table(
    caption: &str,
    columns: &[Column],
    rows: &[Vec<Cell>],
    sortable: bool,
) -> String {
    let mut html = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"@\">\n<table",
    )
    .replace('@', &escape(caption));
    html.push_str(if sortable { " class=\"sortable\">\n" } else { ">\n" });
    html.push_str("<thead><tr>");
    for Column { title, help, number } in columns {
        let class = if *number { " class=\"n\"" } else { "" };
        let title = escape(title);
        let help =
            if help.is_empty() { String::new() } else { format!(" title=\"{}\"", escape(help)) };
        html.push_str(&match sortable {
            true => format!(
                "<th scope=\"col\"{class}><button type=\"button\"{help}>{title}</button></th>"
            ),
            false => format!("<th scope=\"col\"{class}{help}>{title}</th>"),
        });
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for (index, (Cell { html: cell, key }, column)) in row.iter().zip(columns).enumerate() {
            let key =
                key.as_ref().map_or(String::new(), |key| format!(" data-key=\"{}\"", escape(key)));
            let class = if column.number { " class=\"n\"" } else { "" };
            html.push_str(&match index {
                0 => format!("<th scope=\"row\"{key}>{cell}</th>"),
                _ => format!("<td{class}{key}>{cell}</td>"),
            });
        }
        html.push_str("</tr>\n");
    }
    // Below the box, so that it does not scroll away with the columns.
    html.push_str(&format!(
        "</tbody>\n</table>\n</div>\n<p class=\"soft\">{}</p>\n",
        escape(caption)
    ));
    html
}
