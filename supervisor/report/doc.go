// Package report makes one shutdown, out of the machine's reports, understandable to a person: in which order, who
// waited for whom and how long, which signals were sent, who was killed and why.
//
// New joins the reports of a shutdown to one Shutdown, which is also the JSON of `run --report FILE`. Text draws it as a
// table with, where there is room, a small timeline; SVG as a picture, and HTML as a page around the same drawing. That
// drawing is a Chart, which others may put beside their own. The package is pure: it reads no clock and writes where it is
// told.
package report
