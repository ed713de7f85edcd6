// Package image turns a value, with all that it points to, into bytes and back: so that another build of the program can
// go on where this one stopped.
//
// It goes by the types alone, unexported fields included, so that a field cannot be forgotten: whatever is added to a
// struct is in the image from then on. What must not be there (a channel, a function, an interface, something that is
// made anew) is tagged `image:"-"`, and anything of these kinds that is not is an error, whatever its value.
//
// # What an image holds
//
//	magic, format       the format is the caller's own version of what its types mean
//	shapes              of each struct: the names of its fields, and their kinds
//	the root, objects   values by the shapes; what a pointer points to is an object of its own, and written once
//	checksum
//
// Pointers to the same thing are pointers to the same thing again. A pointer into the middle of something (a field of a
// struct, an element of an array) is not known as such: it comes back as one to a copy.
//
// # Two builds
//
// Structs are matched by the names and kinds of their fields, not by their own names. A field that the image has and the
// reader does not know is refused, because it meant something to whoever wrote it: an older build does not take the
// image of a newer one that knows more. A field that only the reader knows stays zero; where zero would be wrong for it,
// raise the format.
//
// A struct that can be written as text (encoding.TextMarshaler, TextUnmarshaler), such as a regexp.Regexp, is.
package image
