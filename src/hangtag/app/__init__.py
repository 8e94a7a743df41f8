"""The web app: photos in, tags corrected by a person, a table out. Built with Streamlit."""
