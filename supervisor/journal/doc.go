// Package journal keeps every report as a line of JSON, reads them back, and checks the guarantees G1 to G4 on them
// after the fact, with the order of the shutdown worked out anew from the graph in the first line. Condense leaves out of
// a long one what is over, so that a tree that is up for months needs no more room than its present state does.
package journal
