//! The page around the sections: one file that needs no network.

use super::super::svg::escape;

/// A part of the page under a heading of its own.
pub(in crate::report) struct Section {
    /// Where links lead.
    pub(in crate::report) id: &'static str,
    /// The heading.
    pub(in crate::report) title: String,
    /// HTML.
    pub(in crate::report) body: String,
}

/// The whole file: heading, the first screen, links to the sections, the sections.
pub(in crate::report) fn page(title: &str, first: &str, sections: &[Section]) -> String {
    let links: String = sections
        .iter()
        .map(|section| format!("<a href=\"#{}\">{}</a>\n", section.id, escape(&section.title)))
        .collect();
    let body: String = sections
        .iter()
        .map(|Section { id, title, body }| {
            format!(
                "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n{body}</section>\n",
                escape(title)
            )
        })
        .collect();
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{first}\
         <nav aria-label=\"Sections\">\n{links}</nav>\n{body}</main>\n<script>\n{}</script>\n</body>\n</html>\n",
        include_str!("style.css"),
        include_str!("sort.js"),
    )
}

/// A paragraph of plain text.
pub(in crate::report) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}
