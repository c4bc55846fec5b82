"""One day of one station as a report: HTML, PNG or PDF.

``data`` reads the day from the history; ``ribbons`` and ``charts`` draw it as SVG. ``html`` puts
the drawings into a page. ``svg_page`` puts them on one A3 sheet, which ``png_pdf`` converts.
"""
