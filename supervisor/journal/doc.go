// Package journal keeps every report as a line of JSON, reads them back, and checks the guarantees G1 to G4 on them
// after the fact, with the order of the shutdown worked out anew from the graph in the first line.
package journal
